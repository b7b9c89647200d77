"""Random arrays of several dimensions, by programs that compile quickly.

XLA for CPUs computes the counter of each random value from its place in the array, once
for each round of the generator. With four dimensions, a program of random bits takes
six times as long to compile as with one. The functions here draw a vector and give it
the shape; the values are those that `jax.random` draws for the shape.
"""

import math

import jax


def normal(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Returns values of N(0, 1), f32 of a shape."""
    return jax.random.normal(key, (math.prod(shape),)).reshape(shape)


def bits(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Returns random bits, u32 of a shape."""
    return jax.random.bits(key, (math.prod(shape),)).reshape(shape)


def integers(
    key: jax.Array, shape: tuple[int, ...], *, least: int, end: int
) -> jax.Array:
    """Returns integers from `least` on and below `end`, i32 of a shape."""
    return jax.random.randint(key, (math.prod(shape),), least, end).reshape(shape)
