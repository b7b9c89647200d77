import dataclasses
import fractions
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from duralava.rendering.frames import frame_chunks, lamp_frames

from duralava import models
from duralava.config import Config, ModelConfig
from duralava.rendering import frames

CONFIG = ModelConfig(
    resolution=16,
    latent_size=8,
    generator_hidden=16,
    generator_channels=(8,),
    transition_layers=1,
    transition_hidden=8,
)
REFRESHED = dataclasses.replace(CONFIG, refresh=0.1)
KEY = jax.random.key(4)
SIXTH = fractions.Fraction(1, 6)

interpolate = jax.jit(frames.interpolate)
rollout = jax.jit(models.rollout, static_argnames=("num_steps", "config"))
generate = jax.jit(models.generate, static_argnames="config")


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def make_params():
    transition = jax.jit(models.init_transition, static_argnames="config")(
        jax.random.key(1), config=CONFIG
    )
    return {
        "generator": jax.jit(models.init_generator, static_argnames="config")(
            jax.random.key(0), config=CONFIG
        ),
        # Ten times as large as fresh ones, which hardly move a picture in a step.
        "transition": jax.tree.map(lambda leaf: 10 * leaf, transition),
    }


PARAMS = make_params()
LATENTS = normal(2, 3, CONFIG.latent_size)


def take(num_frames, *, chunk_size, latents=LATENTS, config=CONFIG, **options):
    chunks = frame_chunks(
        PARAMS, latents, KEY, chunk_size=chunk_size, config=config, **options
    )
    count = -(-num_frames // chunk_size)
    film = list(itertools.islice(chunks, count))
    assert all(len(chunk) == chunk_size for chunk in film)
    return np.concatenate(film)[:num_frames]


def steps_of(num_steps, *, config=CONFIG):
    """The frames of the model's own steps."""
    _, trajectory = rollout(
        PARAMS["transition"], LATENTS, KEY, 0, num_steps=num_steps, config=config
    )
    return models.to_uint8(generate(PARAMS["generator"], trajectory, config=config))


def assert_same_film(one, other):
    assert one.shape == other.shape
    # A level, as two compiled programs may round a value between two differently.
    difference = np.abs(np.asarray(one, np.int32) - np.asarray(other, np.int32))
    assert difference.max() <= 1


def assert_moving(film):
    """Frames that all were the same would equal each other for no good reason."""
    changes = np.abs(np.diff(np.asarray(film, np.int32), axis=0))
    assert changes.max(axis=(1, 2, 3, 4)).min() > 1


# Interpolation.


def test_interpolation_starts_and_ends_at_its_latents():
    first, second = normal(0, 5, 8), 2 * normal(1, 5, 8)
    for share, expected in ((0.0, first), (1.0, second)):
        shown = interpolate(first, second, jnp.full(5, share))
        np.testing.assert_allclose(shown, expected, rtol=1e-5, atol=1e-6)


def test_norms_are_interpolated():
    first, second = normal(0, 5, 8), 3 * normal(1, 5, 8)
    share = jnp.array([0.0, 0.2, 0.5, 0.7, 1.0])
    expected = (1 - share) * jnp.linalg.norm(first, axis=-1) + share * jnp.linalg.norm(
        second, axis=-1
    )
    norms = jnp.linalg.norm(interpolate(first, second, share), axis=-1)
    np.testing.assert_allclose(norms, expected, rtol=1e-5)


def test_half_way_of_two_orthogonal_latents():
    first, second = jnp.array([1.0, 0.0, 0.0]), jnp.array([0.0, 3.0, 0.0])
    # The direction at 45 degrees, of norm (1 + 3) / 2.
    shown = interpolate(first, second, jnp.array(0.5))
    np.testing.assert_allclose(shown, [np.sqrt(2), np.sqrt(2), 0.0], atol=1e-6)


def test_equal_shares_turn_by_equal_angles_in_one_plane():
    angle = 2.0
    first = jnp.array([1.0, 0.0, 0.0])
    second = jnp.array([np.cos(angle), np.sin(angle), 0.0])
    share = jnp.linspace(0, 1, 9)
    shown = interpolate(first[None], second[None], share)
    np.testing.assert_allclose(
        shown,
        np.stack([np.cos(angle * share), np.sin(angle * share), 0 * share], axis=-1),
        atol=1e-6,
    )


def test_equal_and_nearly_equal_latents_are_no_trouble():
    first = normal(0, 5, 8)
    for distance in (0.0, 1e-6, 1e-4, 1e-3):
        second = first + distance * normal(1, 5, 8)
        shown = interpolate(first, second, jnp.full(5, 0.25))
        expected = 0.75 * first + 0.25 * second
        np.testing.assert_allclose(shown, expected, rtol=1e-5, atol=2e-6)


def test_the_middle_of_two_samples_is_as_long_as_a_sample():
    first, second = normal(0, 2000, 64), normal(1, 2000, 64)
    middle = interpolate(first, second, jnp.full(2000, 0.5))
    lengths = [float(jnp.linalg.norm(z, axis=-1).mean()) for z in (first, middle)]
    # A mean of the two would be shorter by sqrt(2).
    np.testing.assert_allclose(lengths[1], lengths[0], rtol=0.01)


# Film.


def test_a_frame_a_step_shows_the_rollout():
    film = take(10, chunk_size=4)
    assert film.shape == (10, 3, 16, 16, 3)
    assert film.dtype == np.uint8
    assert_same_film(film, steps_of(10))
    assert_moving(film)


def test_refreshed_film_shows_the_rollout_with_its_noise():
    film = take(10, chunk_size=4, config=REFRESHED)
    assert_same_film(film, steps_of(10, config=REFRESHED))
    assert np.abs(np.int32(film[1:]) - np.int32(take(10, chunk_size=4)[1:])).max() > 2


def test_between_steps_the_latent_turns():
    film = take(16, chunk_size=8, steps_per_frame=SIXTH)
    assert_same_film(film[::6], steps_of(3))
    _, trajectory = rollout(
        PARAMS["transition"], LATENTS, KEY, 0, num_steps=3, config=CONFIG
    )
    between = interpolate(trajectory[1], trajectory[2], jnp.full(3, 2 / 6))
    expected = models.to_uint8(generate(PARAMS["generator"], between, config=CONFIG))
    assert_same_film(film[8], expected)


@pytest.mark.parametrize(
    "steps_per_frame",
    [fractions.Fraction(5, 24), fractions.Fraction(7, 3)],
    ids=["slow", "fast"],
)
def test_film_does_not_depend_on_the_size_of_its_chunks(steps_per_frame):
    film = take(28, chunk_size=4, steps_per_frame=steps_per_frame)
    assert_same_film(film, take(28, chunk_size=7, steps_per_frame=steps_per_frame))
    # Frames 0, 24, ... (0, 3, ...) show a step of the model.
    every = steps_per_frame.denominator
    moments = [int(n * steps_per_frame) for n in range(0, 28, every)]
    assert_same_film(film[::every], steps_of(moments[-1] + 1)[np.array(moments)])


def test_a_lamp_alone_is_the_lamp_it_is_among_others():
    together = take(8, chunk_size=4)
    alone = take(8, chunk_size=4, latents=LATENTS[1:2])
    assert_same_film(alone[:, 0], together[:, 1])
    assert np.abs(np.int32(together[:, 0]) - np.int32(together[:, 1])).max() > 2


def test_film_goes_on_for_as_long_as_it_is_asked():
    film = take(400, chunk_size=4)
    assert_moving(film[-20:])
    # Float rounding grows with time; the film must still be a film, not a still.
    assert film[-20:].std() > 2


def test_a_lamp_runs_in_real_time_whatever_the_frame_rate():
    config = Config(model=CONFIG)  # 5 steps a second
    slow, fast = (
        list(
            itertools.islice(
                lamp_frames(PARAMS, config=config, seed=3, fps=fps, chunk_size=8), count
            )
        )
        for fps, count in ((5.0, 8), (20.0, 29))
    )
    assert slow[0].shape == (16, 16, 3)
    assert_same_film(np.stack(fast[::4]), np.stack(slow))


def test_a_seed_is_a_lamp():
    config = Config(model=CONFIG)
    first, again, other = (
        next(lamp_frames(PARAMS, config=config, seed=seed, fps=5.0, chunk_size=8))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(np.int32(first) - np.int32(other)).max() > 2


def test_a_film_joins_a_rollout_at_any_step():
    latents, _ = rollout(
        PARAMS["transition"], LATENTS, KEY, 0, num_steps=7, config=REFRESHED
    )
    film = take(6, chunk_size=3, latents=latents, config=REFRESHED, start_step=7)
    assert_same_film(film, steps_of(13, config=REFRESHED)[7:])


# Loops.


def loop_path(num_steps=40, overlap=20, config=REFRESHED):
    path = frames.closed_path(
        PARAMS["transition"],
        LATENTS,
        KEY,
        num_steps=num_steps,
        overlap=overlap,
        config=config,
    )
    _, trajectory = rollout(
        PARAMS["transition"], LATENTS, KEY, 0, num_steps=num_steps, config=config
    )
    return np.asarray(path), np.asarray(trajectory)


def test_a_closed_path_is_the_lamp_until_it_turns_back():
    path, trajectory = loop_path()
    assert path.shape == (40, 3, 8)
    np.testing.assert_allclose(path[:20], trajectory[20:], atol=1e-5)
    assert np.abs(path[20:] - trajectory[:20]).max(axis=(1, 2)).min() > 1e-3


def test_a_closed_path_closes_in_position_and_speed():
    path, trajectory = loop_path()
    # The last state is nearly that from which the lamp went to the first.
    np.testing.assert_allclose(path[-1], trajectory[19], atol=0.02)
    speeds = np.roll(path, -1, axis=0) - path
    inside = np.linalg.norm(np.diff(speeds[:19], axis=0), axis=-1).max()
    at_seam = np.linalg.norm(speeds[0] - speeds[-1], axis=-1).max()
    assert at_seam < 1.2 * inside


def test_latents_on_the_way_back_are_as_long_as_samples():
    path, trajectory = loop_path(config=CONFIG)
    lengths = np.linalg.norm(path, axis=-1)
    # A rotation keeps |z|, so that both ends of each turn are as long as the start.
    np.testing.assert_allclose(
        lengths, np.broadcast_to(lengths[0], lengths.shape), rtol=1e-4
    )
    np.testing.assert_allclose(lengths[0], np.linalg.norm(LATENTS, axis=-1), rtol=1e-4)
    assert np.abs(trajectory).max() > 0.1


def test_a_loop_is_filmed_once_around():
    path, _ = loop_path()
    chunks = list(frames.loop_chunks(PARAMS, path, 80, chunk_size=30, config=REFRESHED))
    assert [len(chunk) for chunk in chunks] == [30, 30, 20]
    film = np.concatenate(chunks)
    at_steps = models.to_uint8(generate(PARAMS["generator"], path, config=CONFIG))
    assert_same_film(film[::2], at_steps)
    # Between the last state and the first.
    middle = interpolate(path[-1], path[0], jnp.full(3, 0.5))
    expected = models.to_uint8(generate(PARAMS["generator"], middle, config=CONFIG))
    assert_same_film(film[-1], expected)


def test_speed_is_lamp_time_in_film_time():
    config = Config(model=CONFIG)  # 5 steps a second
    pace = functools.partial(frames.steps_per_frame, config)
    assert pace(fps=30) == fractions.Fraction(1, 6)
    assert pace(fps=30, speed=12) == 2
    assert pace(fps=24, speed=0.5) == fractions.Fraction(5, 48)
    with pytest.raises(ValueError, match="too slow"):
        pace(fps=30, speed=1e-5)
