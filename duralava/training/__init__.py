"""Training: the pure step (`step`), its parts, and the loop around it (`loop`)."""
