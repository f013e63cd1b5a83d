"""Many run folders from one sweep file."""
