"""How fast duralava is, and how much memory it takes."""
