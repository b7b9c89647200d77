import jax
import jax.numpy as jnp
import numpy as np

from duralava import compilation


def test_a_program_gives_what_it_gives_otherwise():
    def function(x, *, power):
        return jnp.sin(x) ** power

    x = jax.random.normal(jax.random.key(0), (100,))
    compiled = compilation.jit(function, static_argnames="power")
    np.testing.assert_allclose(
        compiled(x, power=3),
        jax.jit(function, static_argnames="power")(x, power=3),
        rtol=1e-6,
    )


def test_what_is_donated_is_given_away():
    x = jnp.arange(4.0)
    compilation.jit(lambda x: x + 1, donate_argnums=0)(x)
    assert x.is_deleted()
