"""The statistics, a room a topic: components, data, em, bayes, check, show and studies; nothing imports from a later one."""
