"""Many fits at once: calibration, coverage, efficiency, sweeps."""
