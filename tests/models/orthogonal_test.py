import jax
import jax.numpy as jnp
import numpy as np
import pytest

from duralava.models.orthogonal import cayley, free_parameters, orthonormal_bases


def skew_matrices(size, scale):
    matrices = np.random.default_rng(0).normal(size=(3, size, size)) * scale
    return matrices - matrices.swapaxes(-1, -2)


def cayley_by_lapack(skew):
    identity = jnp.eye(skew.shape[-1])
    return jnp.linalg.solve(identity - skew, identity + skew)


def test_in_a_plane_it_rotates_by_twice_the_arctangent():
    tangent = 0.75  # of half the angle; 3-4-5 triangle: cosine 7/25, sine 24/25
    rotated = cayley(jnp.array([[0.0, tangent], [-tangent, 0.0]]))
    np.testing.assert_allclose(rotated, [[0.28, 0.96], [-0.96, 0.28]], atol=1e-6)


@pytest.mark.parametrize("scale", [0.02, 1.0, 20.0])
def test_agrees_with_lapack_in_double_precision(scale):
    skew = skew_matrices(64, scale)
    identity = np.eye(64)
    exact = np.linalg.solve(identity - skew, identity + skew)
    # The condition number is about 160 at the largest scale and amplifies errors.
    np.testing.assert_allclose(cayley(jnp.asarray(skew, "float32")), exact, atol=5e-5)


@pytest.mark.parametrize("scale", [0.02, 1.0, 20.0])
def test_is_orthogonal(scale):
    matrices = np.asarray(cayley(jnp.asarray(skew_matrices(64, scale), "float32")))
    product = np.einsum("lij,lik->ljk", matrices.astype(float), matrices.astype(float))
    np.testing.assert_allclose(
        product, np.broadcast_to(np.eye(64), (3, 64, 64)), atol=1e-5
    )


def test_the_gradient_equals_that_of_lapack():
    skew = jnp.asarray(skew_matrices(16, 0.3), "float32")
    weights = jax.random.normal(jax.random.key(0), skew.shape)
    ours, theirs = (
        jax.grad(lambda skew, f=f: jnp.sum(weights * f(skew)))(skew)
        for f in (cayley, cayley_by_lapack)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert np.abs(theirs).max() > 1


@pytest.mark.parametrize("size", [4, 64])
def test_parameters_of_a_basis_give_it_but_for_signs(size):
    for seed in range(5):
        matrix = np.random.default_rng(seed).normal(size=(size, size))
        basis, _ = np.linalg.qr(matrix)
        found = orthonormal_bases(jnp.asarray(free_parameters(basis), "float32"))
        np.testing.assert_allclose(np.abs(basis.T @ found), np.eye(size), atol=1e-4)
