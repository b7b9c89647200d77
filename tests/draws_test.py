import jax
import numpy as np
import pytest

from duralava import draws


@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 3, 4, 5), (2, 0)])
def test_the_values_are_those_of_jax(shape):
    key = jax.random.key(3)
    for drawn, expected in (
        (draws.normal(key, shape), jax.random.normal(key, shape)),
        (draws.bits(key, shape), jax.random.bits(key, shape)),
        (
            draws.integers(key, shape, least=-2, end=3),
            jax.random.randint(key, shape, -2, 3),
        ),
    ):
        assert drawn.dtype == expected.dtype
        np.testing.assert_array_equal(drawn, expected)
