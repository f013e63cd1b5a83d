"""What a reader sees: figures, sentences and tables."""
