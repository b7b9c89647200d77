"""How real a lamp looks, and how long it stays so."""
