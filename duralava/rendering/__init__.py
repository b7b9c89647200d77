"""From parameters to frames, and from frames to files."""
