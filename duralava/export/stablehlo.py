"""A step as StableHLO, for JAX anywhere and for other compilers."""

import os

import jax
import jax.export
import jax.numpy as jnp

from duralava import files
from duralava.export.step import make_step
from duralava.pretrained import Pretrained

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def write_stablehlo(path: str | os.PathLike[str], lamp: Pretrained) -> None:
    """Writes a lamp's step, for any number of lamps at once and for `PLATFORMS`.

    `jax.export.deserialize` reads the file. What it returns is called as `make_step`'s
    step is, or gives the StableHLO text by `mlir_module()`.
    """
    shape = jax.export.symbolic_shape(f"n, {lamp.config.model.latent_size}")
    latents = jax.ShapeDtypeStruct(shape, jnp.float32)
    step = jax.jit(make_step(lamp))
    exported = jax.export.export(step, platforms=PLATFORMS)(latents, latents)
    with files.written_whole(path) as partial:
        partial.write_bytes(exported.serialize())
