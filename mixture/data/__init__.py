"""The sample: simulated or read, as values or as counts in cells."""
