"""Exports a step as StableHLO, for JAX on any machine and for other compilers."""

import os

import jax
import jax.export
import jax.numpy as jnp

from duralava import files
from duralava.export.step import make_step
from duralava.lamp import Lamp

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def write_stablehlo(
    path: str | os.PathLike[str], lamp: Lamp, *, size: int | None = None
) -> None:
    """Writes the step of a lamp, for any number of lamps at once and for `PLATFORMS`.

    Frames have a height and width of `size` pixels, by default those of the training
    frames.

    `jax.export.deserialize` reads the file. Its result is called in the same way as the
    step of `make_step`; `mlir_module()` returns the StableHLO text.
    """
    shape = jax.export.symbolic_shape(f"n, {lamp.config.latent_size}")
    latents = jax.ShapeDtypeStruct(shape, jnp.float32)
    step = jax.jit(make_step(lamp, size=size))
    exported = jax.export.export(step, platforms=PLATFORMS)(latents, latents)
    with files.written_whole(path) as partial:
        partial.write_bytes(exported.serialize())
