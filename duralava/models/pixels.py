"""Frames outside the models (uint8) and inside (float32 in [-1, 1])."""

import jax
import jax.numpy as jnp


def from_uint8(frames: jax.Array) -> jax.Array:
    """Returns u8 frames of any shape as f32 in [-1, 1]; 0 is -1 and 255 is 1."""
    return frames.astype(jnp.float32) / 127.5 - 1


def to_uint8(frames: jax.Array) -> jax.Array:
    """Returns f32 frames in [-1, 1] as u8, rounded; the inverse of `from_uint8`."""
    return jnp.clip(jnp.round((frames + 1) * 127.5), 0, 255).astype(jnp.uint8)


def shrink(frames: jax.Array, size: int) -> jax.Array:
    """Returns frames f32[..., H, W, 3] as means over blocks, [..., size, size, 3].

    Frames that are not larger than `size` are returned as they are.
    """
    *batch, height, width, colours = frames.shape
    if height <= size:
        return frames
    blocks = (size, height // size, size, width // size)
    return frames.reshape(*batch, *blocks, colours).mean(axis=(-4, -2))
