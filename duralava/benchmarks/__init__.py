"""Benchmarks of duralava's speed and memory use."""
