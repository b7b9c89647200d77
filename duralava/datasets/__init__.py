"""Turns film, recorded or simulated, into clips of uint8 frames."""
