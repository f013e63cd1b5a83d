"""Both sides in one run, a ratio out. `make bench` runs them all; results/ keeps what they said."""
