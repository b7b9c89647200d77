"""Simulates lamps and records what the report measures of them.

A lamp is sampled at `SAMPLES_PER_SECOND` moments a second. Whole states of an hour
would not fit in memory, so each chunk of film is reduced as soon as it is simulated.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import jax
import numpy as np
import scipy.ndimage

from duralava.signals.blobs import (
    Blobs,
    find_blobs,
    join_blobs,
    label_blobs,
    measure_blobs,
)
from duralava.simulation import lamp, shading, statistics, tracers
from duralava.simulation.config import FRAMES_PER_SECOND, LampConfig

SAMPLES_PER_SECOND = 5
CHUNK_SECONDS = 10
WINDOW_SECONDS = 10.0  # in which a lamp must not stand still
FIELD_SECONDS = 5.0  # between the moments at which lamps are compared

_FRAMES_PER_SAMPLE = FRAMES_PER_SECOND // SAMPLES_PER_SECOND
_TRACERS = 256
_SMALLEST_BLOB = 0.15  # diameter of a ball, in widths of the glass; less is spray
_PICTURES, _PICTURE_SIZE = 12, 128


@dataclasses.dataclass(frozen=True)
class LongFilm:
    """A lamp at N moments.

    Attributes:
      wax: of all fields, means of 2 x 2 x 2 cells, f16[N, Nz / 2, Ny / 2, Nx / 2].
      by_row: share of wax in each row, f64[N, Ny].
      speed: root mean square of the wax, widths per second, f64[N].
      front_counts: number of blobs as seen from the front, i64[N].
      ascents: seconds from floor to top, f64[A].
      sphericity: of each blob, once a second, f64[S].
      is_oblong: whether each of these blobs is long rather than flat, bool[S].
      blobs: those of the lamp; touching blobs of different fields are apart.
      pictures: u8[M, size, size, 3], the first of each `CHUNK_SECONDS`.
    """

    wax: np.ndarray
    by_row: np.ndarray
    speed: np.ndarray
    front_counts: np.ndarray
    ascents: np.ndarray
    sphericity: np.ndarray
    is_oblong: np.ndarray
    blobs: Blobs
    pictures: np.ndarray


@dataclasses.dataclass(frozen=True)
class Summary:
    """What is kept of each lamp, to compare it with others.

    Attributes:
      moved: share of the wax that moves within a window, f64[N - window].
      fields: wax each `FIELD_SECONDS`, f16[T, Nz / 2, Ny / 2, Nx / 2].
      drift: largest change of the volume of wax, relative to the first volume.
    """

    moved: np.ndarray
    fields: np.ndarray
    drift: float


def record_long_film(
    seed: int, seconds: float, config: LampConfig
) -> Iterator[float | LongFilm]:
    """Simulates a lamp and records everything that is measured of a single lamp.

    Args:
      seed: of the lamp.
      seconds: length of the film.
      config: the lamp.

    Yields:
      The seconds of film of each chunk, once it is recorded; then the record.
    """
    rng = np.random.default_rng(seed)
    min_volume = max(1, round(np.pi / 6 * (_SMALLEST_BLOB / config.cell) ** 3))
    cells_per_sample = 1 / (SAMPLES_PER_SECOND * config.cell)
    series, heights, blobs, shapes, pictures = [], [], [], [], []
    places, previous = None, None
    for states, kept in _samples(seed, seconds, config):
        fields = states.wax[:kept]
        flow = [np.asarray(u)[:kept] for u in _flow(states, config)]
        samples = [fields.sum(axis=1), *flow]
        series.append(_measure_samples(samples, config))
        if len(pictures) < _PICTURES:
            first = jax.tree.map(lambda field: field[:1], states)
            pictures.append(np.asarray(shading.shade(first, _PICTURE_SIZE, config))[0])
        # Tracers and blobs are followed from the last sample of the previous chunk.
        fields, wax, *flow = current = _after_last(previous, [fields, *samples])
        if places is None:
            places = tracers.place_tracers(wax[0], _TRACERS, rng)
        places, height = tracers.follow_tracers(
            places, wax, flow, cells_per_sample, rng
        )
        heights.append(height)
        labels = label_blobs(fields, min_volume)
        blobs.append(measure_blobs(labels))
        shapes.extend(_shapes(labels[-kept::SAMPLES_PER_SECOND]))
        previous = current
        yield kept / SAMPLES_PER_SECOND
    sphericity, is_oblong = np.array(shapes).reshape(-1, 2).T
    yield LongFilm(
        *map(np.concatenate, zip(*series, strict=True)),
        ascents=tracers.ascent_times(np.concatenate(heights)) / SAMPLES_PER_SECOND,
        sphericity=sphericity,
        is_oblong=is_oblong.astype(bool),
        blobs=join_blobs(blobs),
        pictures=np.stack(pictures),
    )


def record_summary(
    seed: int, seconds: float, config: LampConfig
) -> Iterator[float | Summary]:
    """Simulates a lamp and records what is compared with other lamps.

    Args:
      seed: of the lamp.
      seconds: length of the film.
      config: the lamp.

    Yields:
      The seconds of film of each chunk, once it is recorded; then the record.
    """
    fields, by_row = [], []
    for states, kept in _samples(seed, seconds, config):
        wax = states.wax[:kept].sum(axis=1)
        fields.append(statistics.coarsen(wax).astype(np.float16))
        by_row.append(statistics.wax_by_row(wax))
        yield kept / SAMPLES_PER_SECOND
    yield summarise(np.concatenate(fields), np.concatenate(by_row), seconds)


def summarise(wax: np.ndarray, by_row: np.ndarray, seconds: float) -> Summary:
    """Returns what is compared with other lamps.

    Args:
      wax: as in `LongFilm`, f16[N, Nz / 2, Ny / 2, Nx / 2].
      by_row: as in `LongFilm`, f64[N, Ny].
      seconds: length of the film whose fields are kept; the rest uses all of it.
    """
    moved = statistics.moved_share(wax, round(WINDOW_SECONDS * SAMPLES_PER_SECOND))
    number = round(seconds * SAMPLES_PER_SECOND)
    # A copy: a view would keep the whole film in memory.
    fields = wax[: number : round(FIELD_SECONDS * SAMPLES_PER_SECOND)].copy()
    volume = by_row.mean(axis=1)
    return Summary(moved, fields, np.abs(volume / volume[0] - 1).max())


def _samples(
    seed: int, seconds: float, config: LampConfig
) -> Iterator[tuple[lamp.LampState, int]]:
    """Yields the samples of each chunk of film, and how many of them are needed."""
    chunks = lamp.simulate(
        seed, config=config, chunk_size=CHUNK_SECONDS * FRAMES_PER_SECOND
    )
    number = round(seconds * SAMPLES_PER_SECOND)
    samples = CHUNK_SECONDS * SAMPLES_PER_SECOND
    for start in range(0, number, samples):
        kept = min(samples, number - start)
        # Copies: views would keep all frames of the chunk in memory.
        states = [field[::_FRAMES_PER_SAMPLE].copy() for field in next(chunks)]
        yield lamp.LampState(*states), kept


@functools.partial(jax.jit, static_argnames="config")
def _flow(states: lamp.LampState, config: LampConfig) -> tuple[jax.Array, ...]:
    """Returns the velocity along z, y and x of each of the states."""
    return jax.lax.map(lambda state: lamp.flow(state, config), states)


def _measure_samples(
    samples: Sequence[np.ndarray], config: LampConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns the first four attributes of `LongFilm` for the samples of a chunk."""
    wax, *flow = samples
    min_area = max(1, round(np.pi / 4 * (_SMALLEST_BLOB / config.cell) ** 2))
    return (
        statistics.coarsen(wax).astype(np.float16),
        statistics.wax_by_row(wax),
        statistics.rms_speed(wax, flow),
        find_blobs(wax.max(axis=1, keepdims=True), min_area).counts(),
    )


def _shapes(labels: np.ndarray) -> list[tuple[float, bool]]:
    """Returns sphericity and `is_oblong` of all blobs of labels i64[N, Nz, Ny, Nx]."""
    found = []
    for label, box in enumerate(scipy.ndimage.find_objects(labels), start=1):
        if box is not None:
            body = labels[box][0] == label
            found.append((statistics.sphericity(body), statistics.is_oblong(body)))
    return found


def _after_last(
    previous: Sequence[np.ndarray] | None, samples: Sequence[np.ndarray]
) -> Sequence[np.ndarray]:
    """Returns the samples of a chunk after the last sample of the previous chunk."""
    if previous is None:
        return samples
    pairs = zip(previous, samples, strict=True)
    return [np.concatenate((before[-1:], field)) for before, field in pairs]
