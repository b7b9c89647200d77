import jax.numpy as jnp
import numpy as np

from duralava.models import pixels


def test_all_levels_are_restored_by_the_round_trip():
    levels = jnp.arange(256, dtype=jnp.uint8)
    returned = pixels.to_uint8(pixels.from_uint8(levels))
    assert returned.dtype == jnp.uint8
    np.testing.assert_array_equal(returned, levels)


def test_the_range_ends_at_minus_one_and_one():
    inside = pixels.from_uint8(jnp.array([0, 255], jnp.uint8))
    assert inside.dtype == jnp.float32
    np.testing.assert_array_equal(inside, [-1.0, 1.0])


def test_values_out_of_range_are_clipped_and_others_are_rounded():
    # 127.5 (0.4 / 127.5 + 1) = 127.9, which is nearer to 128 than to 127.
    frames = jnp.array([-1.5, 1.5, 0.4 / 127.5])
    np.testing.assert_array_equal(pixels.to_uint8(frames), [0, 255, 128])


def test_shrunk_frames_are_means_of_blocks():
    frames = jnp.arange(32.0).reshape(2, 4, 4, 1)
    small = pixels.shrink(frames, 2)
    np.testing.assert_array_equal(small[0, ..., 0], [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_array_equal(small[1], small[0] + 16)
    np.testing.assert_array_equal(pixels.shrink(frames, 8), frames)
