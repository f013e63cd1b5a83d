"""The page of a run, and the page over all runs."""
