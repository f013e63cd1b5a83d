"""Behind the door: the chain of notebooks, its warm kernel and its page."""
