"""From a film, real or simulated, to clips: uint8 frames all the way."""
