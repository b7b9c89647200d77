import dataclasses
import fractions
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from tiny import normal

from duralava import lamp as lamp_module
from duralava import models
from duralava.lamp import (
    RolloutState,
    frame_chunks,
    frames_at_once,
    steps_per_frame,
)

KEY = jax.random.key(4)
SIXTH = fractions.Fraction(1, 6)

interpolate = jax.jit(lamp_module.interpolate)
generate = jax.jit(models.generate, static_argnames="config")


LATENTS = normal(2, 3, tiny.LATENT_SIZE)


@pytest.fixture(scope="module")
def lamp():
    """A lamp without refresh."""
    return tiny.faster(tiny.lamp(training=tiny.CONFIG), 10)


@pytest.fixture(scope="module")
def refreshed(lamp):
    """The same lamp with refresh."""
    return dataclasses.replace(lamp, config=tiny.model(refresh=0.1))


@pytest.fixture(scope="module")
def without_encoder(lamp):
    """The same lamp without an encoder."""
    params = {name: lamp.params[name] for name in ("generator", "transition")}
    return dataclasses.replace(lamp, params=params)


def take(lamp, num_frames, *, chunk_size, latents=LATENTS, step=0, **options):
    state = RolloutState(latents, KEY, step)
    chunks = frame_chunks(lamp, state, chunk_size=chunk_size, **options)
    count = -(-num_frames // chunk_size)
    film = list(itertools.islice(chunks, count))
    assert all(len(chunk) == chunk_size for chunk in film)
    return np.concatenate(film)[:num_frames]


def rollout(lamp, num_steps):
    return lamp.rollout(LATENTS, KEY, num_steps=num_steps)


def frames_of_steps(lamp, num_steps):
    """Returns the frames of the model's own steps."""
    return frames_of(lamp, rollout(lamp, num_steps)[1])


def frames_of(lamp, latents):
    frames = generate(lamp.params["generator"], latents, config=lamp.config)
    return models.to_uint8(frames)


def assert_same_film(one, other):
    assert one.shape == other.shape
    # Two compiled programs may round a value between two levels differently.
    difference = np.abs(np.asarray(one, np.int32) - np.asarray(other, np.int32))
    assert difference.max() <= 1


def assert_moving(film):
    """Asserts that frames change, so that comparisons of films mean something."""
    changes = np.abs(np.diff(np.asarray(film, np.int32), axis=0))
    assert changes.max(axis=(1, 2, 3, 4)).min() > 1


# The value.


def test_the_leaves_of_a_lamp_are_its_parameters(lamp):
    leaves, expected = jax.tree.leaves(lamp), jax.tree.leaves(lamp.params)
    assert len(leaves) == len(expected)
    assert all(one is other for one, other in zip(leaves, expected, strict=True))


def test_static_fields_are_kept_by_tree_map_and_jit(lamp):
    def doubled(lamp):
        return jax.tree.map(lambda leaf: 2 * leaf, lamp)

    for other in (doubled(lamp), jax.jit(doubled)(lamp)):
        assert isinstance(other, lamp_module.Lamp)
        assert other.config == lamp.config
        assert other.steps_per_second == lamp.steps_per_second
        assert other.training == tiny.CONFIG
        for one, two in zip(jax.tree.leaves(other), jax.tree.leaves(lamp), strict=True):
            np.testing.assert_array_equal(one, 2 * two)


def test_a_compiled_function_takes_lamps_of_several_configs(lamp, refreshed):
    final = jax.jit(lambda lamp: lamp.rollout(LATENTS, KEY, num_steps=3)[0])
    for each in (lamp, refreshed):
        np.testing.assert_allclose(final(each), rollout(each, 3)[0], atol=1e-4)
    assert np.abs(final(lamp) - final(refreshed)).max() > 0.01


def test_a_lamp_has_an_encoder_if_its_parameters_have_one(lamp, without_encoder):
    assert lamp.has_encoder
    assert not without_encoder.has_encoder


def test_encoding_without_an_encoder_is_an_error(without_encoder):
    frames = np.zeros((1, 16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match="no encoder"):
        without_encoder.encode(frames)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_frames_are_generated_and_encoded_by_the_networks(lamp, batch):
    latents = normal(1, *batch, tiny.LATENT_SIZE)
    frames = lamp.generate(latents)
    assert frames.dtype == np.uint8
    assert_same_film(frames, frames_of(lamp, latents))
    codes = lamp.encode(frames)
    expected = models.encode(
        lamp.params["encoder"], models.from_uint8(frames), config=lamp.config
    )
    assert codes.shape == latents.shape
    np.testing.assert_allclose(codes, expected, atol=1e-5)


def test_a_rollout_is_that_of_the_transition(refreshed):
    final, trajectory = refreshed.rollout(LATENTS, KEY, 7, num_steps=5)
    expected = models.rollout(
        refreshed.params["transition"],
        LATENTS,
        KEY,
        7,
        num_steps=5,
        config=refreshed.config,
    )
    np.testing.assert_allclose(final, expected[0], atol=1e-4)
    np.testing.assert_allclose(trajectory, expected[1], atol=1e-4)
    assert trajectory.shape == (5, *LATENTS.shape)


def test_lamps_start_from_normal_latents_that_the_seed_determines(lamp):
    many = lamp.start(3, count=4_000)
    assert many.latents.shape == (4_000, 8)
    assert many.step == 0
    # Five standard errors of 32,000 values.
    np.testing.assert_allclose(np.mean(many.latents), 0, atol=0.03)
    np.testing.assert_allclose(np.var(many.latents), 1, atol=0.04)
    again, other = (lamp.start(seed) for seed in (3, 4))
    np.testing.assert_array_equal(again.latents[0], many.latents[0])
    assert np.abs(other.latents - again.latents).max() > 0.5


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


def test_half_way_between_two_orthogonal_latents():
    first, second = jnp.array([1.0, 0.0, 0.0]), jnp.array([0.0, 3.0, 0.0])
    # The direction at 45 degrees, of norm (1 + 3) / 2.
    shown = interpolate(first, second, jnp.array(0.5))
    np.testing.assert_allclose(shown, [np.sqrt(2), np.sqrt(2), 0.0], atol=1e-6)


def test_equal_shares_rotate_by_equal_angles_in_one_plane():
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


def test_equal_and_nearly_equal_latents_are_interpolated_precisely():
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
    # The mean of the two would be shorter by a factor of sqrt(2).
    np.testing.assert_allclose(lengths[1], lengths[0], rtol=0.01)


# Frames of chunks.


def test_one_frame_per_step_shows_the_rollout(lamp):
    film = take(lamp, 10, chunk_size=4)
    assert film.shape == (10, 3, 16, 16, 3)
    assert film.dtype == np.uint8
    assert_same_film(film, frames_of_steps(lamp, 10))
    assert_moving(film)


def test_frames_of_a_refreshed_lamp_show_the_rollout_with_its_noise(lamp, refreshed):
    film = take(refreshed, 10, chunk_size=4)
    assert_same_film(film, frames_of_steps(refreshed, 10))
    quiet = take(lamp, 10, chunk_size=4)
    assert np.abs(np.int32(film[1:]) - np.int32(quiet[1:])).max() > 2


def test_between_steps_the_latent_is_interpolated(lamp):
    film = take(lamp, 16, chunk_size=8, steps_per_frame=SIXTH)
    assert_same_film(film[::6], frames_of_steps(lamp, 3))
    _, trajectory = rollout(lamp, 3)
    between = interpolate(trajectory[1], trajectory[2], jnp.full(3, 2 / 6))
    assert_same_film(film[8], frames_of(lamp, between))


@pytest.mark.parametrize(
    "steps_per_frame",
    [fractions.Fraction(5, 24), fractions.Fraction(7, 3)],
    ids=["slow", "fast"],
)
def test_frames_do_not_depend_on_the_size_of_chunks(lamp, steps_per_frame):
    film = take(lamp, 28, chunk_size=4, steps_per_frame=steps_per_frame)
    other = take(lamp, 28, chunk_size=7, steps_per_frame=steps_per_frame)
    assert_same_film(film, other)
    # Frames 0, 24, ... (0, 3, ...) show a step of the model.
    every = steps_per_frame.denominator
    moments = [int(n * steps_per_frame) for n in range(0, 28, every)]
    steps = frames_of_steps(lamp, moments[-1] + 1)[np.array(moments)]
    assert_same_film(film[::every], steps)


def test_a_lamp_alone_shows_the_same_as_among_others(lamp):
    together = take(lamp, 8, chunk_size=4)
    alone = take(lamp, 8, chunk_size=4, latents=LATENTS[1:2])
    assert_same_film(alone[:, 0], together[:, 1])
    assert np.abs(np.int32(together[:, 0]) - np.int32(together[:, 1])).max() > 2


def test_a_lamp_still_moves_after_many_chunks(lamp):
    film = take(lamp, 400, chunk_size=4)
    assert_moving(film[-20:])
    # Rounding errors grow with time, but the film must not become uniform.
    assert film[-20:].std() > 2


def test_frames_continue_a_rollout_at_any_step(refreshed):
    latents, _ = rollout(refreshed, 7)
    film = take(refreshed, 6, chunk_size=3, latents=latents, step=7)
    assert_same_film(film, frames_of_steps(refreshed, 13)[7:])


# Film.


def test_a_film_has_the_length_of_its_seconds_and_shows_the_chunks(refreshed):
    film = np.stack(list(refreshed.film(seconds=3.5, fps=20, seed=3)))
    assert film.shape == (70, 16, 16, 3)  # more than one chunk
    assert film.dtype == np.uint8
    chunks = frame_chunks(
        refreshed,
        refreshed.start(3),
        chunk_size=lamp_module.CHUNK_SIZE,
        steps_per_frame=steps_per_frame(refreshed, fps=20),
    )
    expected = np.concatenate(list(itertools.islice(chunks, 2)))[:70, 0]
    np.testing.assert_array_equal(film, expected)


def test_no_more_chunks_are_computed_than_a_film_has(lamp, monkeypatch):
    compute, starts = lamp_module._frame_chunk, []

    def counted(lamp, latents, key, start, *rest, **options):
        starts.append(int(start))
        return compute(lamp, latents, key, start, *rest, **options)

    monkeypatch.setattr(lamp_module, "_frame_chunk", counted)
    state = RolloutState(LATENTS, KEY, 0)
    chunks = list(frame_chunks(lamp, state, chunk_size=3, num_frames=7))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    assert starts == [0, 3, 6]
    np.testing.assert_array_equal(
        np.concatenate(chunks), take(lamp, 7, chunk_size=3), strict=True
    )


def test_a_film_without_seconds_is_endless(lamp):
    count = 3 * lamp_module.CHUNK_SIZE + 1
    film = list(itertools.islice(lamp.film(fps=5.0), count))
    assert len(film) == count


@pytest.fixture(scope="module")
def field():
    """A lamp that draws frames of any size."""
    return tiny.faster(tiny.lamp(of=tiny.FIELD, refresh=0.1), 10)


def test_a_film_of_another_size_shows_the_same_lamp(field):
    assert next(field.film()).shape == (320, 320, 3)
    small = np.stack(list(field.film(seconds=0.4, seed=3, size=16)))
    large = np.stack(list(field.film(seconds=0.4, seed=3, size=48)))
    assert large.shape == (12, 48, 48, 3)
    start = field.generate(field.start(3).latents[0], size=48)
    assert_same_film(large[0], start)
    shrunk = large.reshape(12, 16, 3, 16, 3, 3).mean(axis=(2, 4))
    assert np.abs(shrunk - small).mean() < small.std() / 3


def test_a_window_of_a_lamp_is_a_part_of_its_frame(field):
    whole = field.generate(LATENTS, size=40)
    window = models.Window(0.5, 0.25, 1 / 40)
    part = field.generate(LATENTS, size=16, window=window)
    assert_same_film(part, whole[:, 10:26, 20:36])


def test_fewer_frames_are_computed_at_a_time_if_they_are_large():
    assert frames_at_once(64**2) == lamp_module.CHUNK_SIZE
    assert frames_at_once(1080**2) * 1080**2 < 2**24
    assert frames_at_once(10**9) == 1


@pytest.mark.parametrize("name", ["seconds", "fps"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_film_of_impossible_length_or_rate_is_an_error(lamp, name, value):
    with pytest.raises(ValueError, match=f"{name} must be above 0, not {value:g}"):
        lamp.film(**{name: value})


def test_a_lamp_runs_in_real_time_at_any_frame_rate(lamp):
    assert lamp.steps_per_second == 5
    slow, fast = (
        list(itertools.islice(lamp.film(fps=fps, seed=3), count))
        for fps, count in ((5.0, 8), (20.0, 29))
    )
    assert slow[0].shape == (16, 16, 3)
    assert_same_film(np.stack(fast[::4]), np.stack(slow))


def test_a_seed_determines_the_film(lamp):
    first, again, other = (next(lamp.film(seed=seed, fps=5.0)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(np.int32(first) - np.int32(other)).max() > 2


def test_speed_is_seconds_of_the_lamp_per_second_of_film(lamp):
    pace = functools.partial(steps_per_frame, lamp)  # 5 steps a second
    assert pace(fps=30) == fractions.Fraction(1, 6)
    assert pace(fps=30, speed=12) == 2
    assert pace(fps=24, speed=0.5) == fractions.Fraction(5, 48)
    with pytest.raises(ValueError, match="too slow"):
        pace(fps=30, speed=1e-5)
