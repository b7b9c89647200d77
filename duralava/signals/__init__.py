"""Measures of films of any origin, which simulation and evaluation share."""
