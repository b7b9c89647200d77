import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from duralava.lamp import RolloutState, interpolate
from duralava.rendering.loops import closed_path, loop_chunks

STATE = RolloutState(
    jax.random.normal(jax.random.key(2), (3, tiny.LATENT_SIZE)), jax.random.key(4), 0
)


@pytest.fixture(scope="module")
def refreshed():
    return tiny.faster(tiny.lamp(with_encoder=False, refresh=0.1), 10)


def path_and_trajectory(lamp, num_steps=40, overlap=20):
    path = closed_path(lamp, STATE, num_steps=num_steps, overlap=overlap)
    _, trajectory = lamp.rollout(STATE.latents, STATE.key, num_steps=num_steps)
    return np.asarray(path), np.asarray(trajectory)


def assert_same_frames(one, other):
    # Two compiled programs may round a value between two levels differently.
    np.testing.assert_allclose(np.int32(one), np.int32(other), rtol=0, atol=1)


def test_a_closed_path_is_the_rollout_until_it_turns_back(refreshed):
    path, trajectory = path_and_trajectory(refreshed)
    assert path.shape == (40, 3, 8)
    np.testing.assert_allclose(path[:20], trajectory[20:], atol=1e-5)
    assert np.abs(path[20:] - trajectory[:20]).max(axis=(1, 2)).min() > 1e-3


def test_a_closed_path_closes_in_position_and_speed(refreshed):
    path, trajectory = path_and_trajectory(refreshed)
    # The last latent is nearly the one before the first.
    np.testing.assert_allclose(path[-1], trajectory[19], atol=0.02)
    speeds = np.roll(path, -1, axis=0) - path
    inside = np.linalg.norm(np.diff(speeds[:19], axis=0), axis=-1).max()
    at_seam = np.linalg.norm(speeds[0] - speeds[-1], axis=-1).max()
    assert at_seam < 1.2 * inside


def test_latents_on_the_way_back_are_as_long_as_samples():
    lamp = tiny.faster(tiny.lamp(with_encoder=False), 10)
    path, trajectory = path_and_trajectory(lamp)
    lengths = np.linalg.norm(path, axis=-1)
    # A rotation keeps |z|, so both latents that are interpolated have the same length.
    np.testing.assert_allclose(
        lengths, np.broadcast_to(lengths[0], lengths.shape), rtol=1e-4
    )
    np.testing.assert_allclose(
        lengths[0], np.linalg.norm(STATE.latents, axis=-1), rtol=1e-4
    )
    assert np.abs(trajectory).max() > 0.1


def test_the_frames_of_a_loop_go_once_around_the_path(refreshed):
    path, _ = path_and_trajectory(refreshed)
    chunks = list(loop_chunks(refreshed, path, 80, chunk_size=30))
    assert [len(chunk) for chunk in chunks] == [30, 30, 20]
    film = np.concatenate(chunks)
    assert_same_frames(film[::2], refreshed.generate(path))
    # Half way between the last latent and the first.
    middle = interpolate(path[-1], path[0], jnp.full(3, 0.5))
    assert_same_frames(film[-1], refreshed.generate(middle))
