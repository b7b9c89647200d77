import functools

import jax
import jax.numpy as jnp
import pytest
import tiny

from duralava import models
from duralava.benchmarks import flops
from duralava.models import convolution


def shape(*sizes):
    return jax.ShapeDtypeStruct(sizes, jnp.float32)


def test_a_product_of_matrices_has_two_operations_for_each_pair():
    assert flops.count(jnp.matmul, shape(3, 5), shape(5, 7)) == 2 * 3 * 5 * 7
    batched = flops.count(jnp.matmul, shape(4, 3, 5), shape(4, 5, 7))
    assert batched == 4 * 2 * 3 * 5 * 7


def test_the_body_of_a_loop_counts_as_often_as_it_runs():
    def powers(matrix):
        return jax.lax.scan(lambda x, _: (x @ matrix, None), matrix, length=6)[0]

    assert flops.count(jax.jit(powers), shape(5, 5)) == 6 * 2 * 5**3


def test_the_most_expensive_branch_counts():
    def choose(first, matrix):
        cheap, dear = jnp.sin, lambda x: x @ x
        return jax.lax.cond(first, cheap, dear, matrix)

    assert flops.count(choose, True, shape(5, 5)) == 2 * 5**3


@pytest.mark.parametrize("stride", [2, 4])
def test_a_convolution_and_its_gradients_have_the_same_operations(stride):
    size, kernel = 8 // stride, shape(2 * stride, 2 * stride, 3, 4)
    images, outputs = shape(2, 8, 8, 3), shape(2, size, size, 4)

    def gradients(images, kernel, outputs):
        return jax.vjp(convolution.downsample, images, kernel)[1](outputs)

    # Each is a sum over the same triples of an image, a kernel and an output.
    each = 2 * outputs.size * kernel.size // 4
    assert flops.count(convolution.downsample, images, kernel) == each
    assert flops.count(gradients, images, kernel, outputs) == 3 * each


def test_the_count_of_a_network_is_that_of_xla():
    lamp = tiny.lamp(of=tiny.FIELD)
    generate = functools.partial(models.generate, config=lamp.config)
    arguments = lamp.params["generator"], shape(16, 8)
    expected = jax.jit(generate).lower(*arguments).cost_analysis()["flops"]
    assert flops.count(generate, *arguments) == pytest.approx(expected, rel=0.3)
