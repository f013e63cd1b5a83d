"""What a reader sees: figures, sentences and tables."""

UNATTENDED = "MIXTURE_UNATTENDED"  # in the environment of a report's kernel, where nobody can move anything
