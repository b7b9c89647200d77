"""How near generated film is to real film."""
