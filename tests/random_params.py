import jax
import jax.numpy as jnp
import numpy as np


def random_params(init, *, scale):
    """Returns normal parameters, biases too, of the shapes of `init(key)`.

    Fresh networks have zero biases, and their transition is near the identity.
    """
    shapes = jax.eval_shape(init, jax.random.key(0))
    rng = np.random.default_rng(1)
    return jax.tree.map(
        lambda leaf: jnp.asarray(scale * rng.normal(size=leaf.shape), leaf.dtype),
        shapes,
    )
