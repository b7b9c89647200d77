"""The report of a simulated lamp: whether it lasts, and whether it lives.

One lamp is filmed for long, others of further seeds for a while. What is measured, how,
and what is asked of it stands in the table of `report.md`; `report.json` has all the
numbers, and the pictures show them.
"""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import matplotlib.figure
import numpy as np
import tqdm

from duralava import files
from duralava.signals import correlation
from duralava.signals.blobs import Blobs, find_blobs, join_blobs, splits_and_merges
from duralava.simulation import lamp, shading, statistics
from duralava.simulation.lamp import FRAMES_PER_SECOND, LampConfig

MIN_SECONDS = 20.0

_RATE = 5  # samples a second
_STRIDE = FRAMES_PER_SECOND // _RATE
_CHUNK_SECONDS = 10
_TRACERS = 256
_SMALLEST_BLOB = 0.15  # a ball this wide, in widths of the glass; less is spray
_LASTING_SECONDS = 1.0  # what a part has to live for to count in partings and mergings
_BLOCK_SECONDS = 60.0
_MAX_LAG_SECONDS = 600.0
_WINDOW_SECONDS = 10.0
_STILL = 0.1  # of the usual change in a window: less is a lamp that stands still
_APART_SECONDS = 120.0
_FIELD_SECONDS = 5.0  # between the moments in which seeds are compared
_MOMENTS, _MOMENT_SIZE = 12, 128
_SERIES, _HALVES = ("wax height", "blobs", "speed"), ("first", "second")
_AUTOCORRELATION = "autocorrelation by seconds of lag"

_Advance = Callable[[float], Any]


@dataclasses.dataclass(frozen=True)
class Measure:
    """One row of the report.

    Attributes:
      name: what is measured.
      value: what came out, as text with its unit.
      mark: what is asked, or nothing.
      met: whether the value is there; None where nothing is asked.
    """

    name: str
    value: str
    mark: str = ""
    met: bool | None = None


@dataclasses.dataclass(frozen=True)
class _Film:
    """A lamp at `_RATE` moments a second.

    Attributes:
      wax: means of 2 x 2 x 2 cells, f16[N, Nz / 2, Ny / 2, Nx / 2].
      levels: share of wax in each row, f64[N, Ny].
      speed: root mean square of the wax, widths per second, f64[N].
      ascents: seconds from foot to top, f64[A].
      blobs: those of the lamp.
      front_counts: blobs as seen from the front, i64[N].
      pictures: u8[M, size, size, 3], one each `_CHUNK_SECONDS`.
    """

    wax: np.ndarray
    levels: np.ndarray
    speed: np.ndarray
    ascents: np.ndarray
    blobs: Blobs
    front_counts: np.ndarray
    pictures: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Short:
    """What is kept of each lamp to compare it with others.

    Attributes:
      moved: share of the wax that moves in a window, f64[N - window].
      fields: wax each `_FIELD_SECONDS`, f16[T, Nz / 2, Ny / 2, Nx / 2].
      drift: largest change of the volume of wax, over the first volume.
    """

    moved: np.ndarray
    fields: np.ndarray
    drift: float


def write_report(
    directory: str | os.PathLike[str],
    *,
    seed: int = 0,
    num_seeds: int = 20,
    seconds: float = 3600.0,
    seconds_per_seed: float = 600.0,
    config: LampConfig = lamp.DEFAULT_CONFIG,
) -> list[Measure]:
    """Films lamps, measures them and writes `report.md`, `report.json` and pictures.

    The same arguments give the same numbers. The directory appears when it is complete.

    Args:
      directory: folder to write; one that exists must be empty.
      seed: of the lamp that is filmed for long, the first of all.
      num_seeds: number of lamps: seed, seed + 1, ...
      seconds: length of the long film.
      seconds_per_seed: length of the other films; of the long one as much is compared
        with them.
      config: the lamps.

    Returns:
      The rows of the report.

    Raises:
      ValueError: fewer than 2 seeds, a film shorter than `MIN_SECONDS`, or a long film
        that is shorter than the others.
      OSError: the directory is not empty, or cannot be written.
    """
    if num_seeds < 2:
        raise ValueError(f"a report compares at least 2 seeds, not {num_seeds}")
    if not MIN_SECONDS <= seconds_per_seed <= seconds < math.inf:
        raise ValueError(
            f"a report needs {MIN_SECONDS:g} s of each seed, and of the first as much "
            f"or more, not {seconds_per_seed:g} s and {seconds:g} s"
        )
    files.check_new_folder(directory)
    with files.written_whole(directory) as folder:
        folder.mkdir()
        total = seconds + (num_seeds - 1) * seconds_per_seed
        with tqdm.tqdm(total=round(total), unit="s", dynamic_ncols=True) as progress:
            film = _film(seed, seconds, config, progress.update)
            number = round(seconds_per_seed * _RATE)
            shorts = [_short(film.wax, film.levels, number)]
            for other in range(seed + 1, seed + num_seeds):
                shorts.append(_run_short(other, number, config, progress.update))
        numbers, curves = _measure(film, shorts, config)
        measures = _judge(numbers)
        about = {
            "seed": seed,
            "num_seeds": num_seeds,
            "seconds": seconds,
            "seconds_per_seed": seconds_per_seed,
            "samples_per_second": _RATE,
            "config": dataclasses.asdict(config),
        }
        rows = [dataclasses.asdict(measure) for measure in measures]
        contents = {"about": about, "measures": rows, "numbers": numbers}
        files.write_json(folder / "report.json", contents)
        figures = _draw(film, curves)
        for name, figure in figures.items():
            figure.savefig(folder / name, dpi=100)
        (folder / "report.md").write_text(_markdown(about, measures, list(figures)))
    return measures


def _film(seed: int, seconds: float, config: LampConfig, advance: _Advance) -> _Film:
    rng = np.random.default_rng(seed)
    cells_across = _SMALLEST_BLOB / config.cell
    min_volume = max(1, round(np.pi / 6 * cells_across**3))
    min_area = max(1, round(np.pi / 4 * cells_across**2))
    wax, levels, speed, front_counts = [], [], [], []
    blobs, heights, pictures = [], [], []
    last, places = None, None
    for states, kept in _chunks(seed, round(seconds * _RATE), config, advance):
        part = [np.asarray(field)[:kept] for field in _wax_and_flow(states, config)]
        wax.append(statistics.coarsen(part[0]).astype(np.float16))
        levels.append(statistics.levels(part[0]))
        speed.append(statistics.rms_speed(part[0], part[1:]))
        front = find_blobs(part[0].max(axis=1, keepdims=True), min_area)
        front_counts.append(front.counts())
        if len(pictures) < _MOMENTS:
            first = jax.tree.map(lambda field: field[:1], states)
            pictures.append(np.asarray(shading.shade(first, _MOMENT_SIZE, config))[0])
        if last is None:
            places = statistics.place_tracers(part[0][0], _TRACERS, rng)
        else:
            part = [np.concatenate(pair) for pair in zip(last, part, strict=True)]
        places, height = statistics.follow_tracers(
            places, part[0], part[1:], 1 / (_RATE * config.cell), rng
        )
        heights.append(height)
        blobs.append(find_blobs(part[0], min_volume))
        last = [field[-1:] for field in part]
    return _Film(
        wax=np.concatenate(wax),
        levels=np.concatenate(levels),
        speed=np.concatenate(speed),
        ascents=statistics.ascent_times(np.concatenate(heights)) / _RATE,
        blobs=join_blobs(blobs),
        front_counts=np.concatenate(front_counts),
        pictures=np.stack(pictures),
    )


def _run_short(seed: int, number: int, config: LampConfig, advance: _Advance) -> _Short:
    fields, levels = [], []
    for states, kept in _chunks(seed, number, config, advance):
        wax = np.asarray(states.wax[::_STRIDE])[:kept]
        fields.append(statistics.coarsen(wax).astype(np.float16))
        levels.append(statistics.levels(wax))
    return _short(np.concatenate(fields), np.concatenate(levels), number)


def _short(wax: np.ndarray, levels: np.ndarray, number: int) -> _Short:
    """Keeps the fields of the first `number` moments, and the rest of all."""
    moved = statistics.moved_share(wax, round(_WINDOW_SECONDS * _RATE))
    # A copy: a view would keep the whole film in memory.
    fields = wax[: number : round(_FIELD_SECONDS * _RATE)].copy()
    volume = levels.mean(axis=1)
    return _Short(moved, fields, np.abs(volume / volume[0] - 1).max())


def _chunks(
    seed: int, number: int, config: LampConfig, advance: _Advance
) -> Iterator[tuple[lamp.LampState, int]]:
    """Yields states, 30 a second, and how many samples of them make up `number`."""
    chunks = lamp.simulate(
        seed, config=config, chunk_size=_CHUNK_SECONDS * FRAMES_PER_SECOND
    )
    samples = _CHUNK_SECONDS * _RATE
    for start in range(0, number, samples):
        kept = min(samples, number - start)
        yield next(chunks), kept
        advance(kept / _RATE)


@functools.partial(jax.jit, static_argnames="config")
def _wax_and_flow(states: lamp.LampState, config: LampConfig) -> tuple[jax.Array, ...]:
    """Returns wax and the velocity along z, y and x of each sample of a chunk."""
    samples = jax.tree.map(lambda field: field[::_STRIDE], states)
    flow = jax.lax.map(lambda state: lamp.flow(state, config), samples)
    return samples.wax, *flow


def _measure(
    film: _Film, shorts: list[_Short], config: LampConfig
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Returns the numbers by name, and the series and samples that are drawn."""
    rng = np.random.default_rng(0)
    seconds = len(film.wax) / _RATE
    counts = film.blobs.counts()
    elongation = film.blobs.height / film.blobs.width
    diameter = config.cell * np.cbrt(6 / np.pi * film.blobs.cells)
    lasting = round(_LASTING_SECONDS * _RATE)
    partings, mergings = splits_and_merges(film.blobs, lasting)
    max_lag = round(min(_MAX_LAG_SECONDS, seconds / 3) * _RATE)
    correlations = statistics.wax_autocorrelation(film.wax, max_lag)
    fall, peak = correlation.fall_and_peak(correlations, 0.2)
    fields = np.stack([short.fields for short in shorts])
    apart = min(round(_APART_SECONDS / _FIELD_SECONDS), fields.shape[1] // 2)
    pairs = statistics.correlations(fields)
    # The median over all lamps: against its own, a frozen lamp is as lively as ever.
    usual_moved = np.median(np.concatenate([short.moved for short in shorts]))

    curves = {
        "wax height": statistics.wax_height(film.levels),
        "blobs": counts,
        "speed": film.speed,
        _AUTOCORRELATION: correlations,
        "log2 of a blob's height / width": np.log2(elongation),
        "diameter of a ball as large as a blob, widths": diameter,
        "seconds from foot to top": film.ascents,
        "correlation of two lamps": pairs.mean(axis=0),
    }
    halves = {}
    block = int(min(_BLOCK_SECONDS, seconds / 8) * _RATE)
    for name in _SERIES:
        distance, p_value = statistics.compare_halves(curves[name], block, rng)
        halves[name] = {"distance": distance, "p_value": p_value}
        for half, values in zip(_HALVES, np.array_split(curves[name], 2), strict=True):
            halves[name][half] = statistics.distribution(values)
    numbers = {
        "halves": halves,
        "block_seconds": block / _RATE,
        "memory": {
            "below_0.2_after_seconds": fall / _RATE,
            "peak_after": peak,
            "largest_lag_seconds": max_lag / _RATE,
        },
        "mean_correlation": pairs.mean(),
        "largest_correlation": np.abs(pairs.mean(axis=0)).max(),
        "start_correlation": pairs[0].mean(),
        "distance_ratio": statistics.distance_ratio(fields, apart),
        "stillness": {
            "usual_moved_share": usual_moved,
            "smallest_of_usual": [s.moved.min() / usual_moved for s in shorts],
        },
        "blobs": statistics.distribution(counts),
        "blobs_from_the_front": statistics.distribution(film.front_counts),
        "share_2_to_9": np.mean((counts >= 2) & (counts <= 9)),
        "elongation": statistics.distribution(elongation),
        "column_share": np.mean(elongation > 2),
        "round_share": np.mean((elongation > 2 / 3) & (elongation < 3 / 2)),
        "diameter": statistics.distribution(diameter),
        "partings_a_minute": 60 * len(partings) / seconds,
        "mergings_a_minute": 60 * len(mergings) / seconds,
        "ascents": len(film.ascents),
        "ascent_seconds": statistics.distribution(film.ascents),
        "speed": statistics.distribution(film.speed),
        "volume_drift": max(short.drift for short in shorts),
    }
    return numbers, curves


def _judge(n: dict[str, Any]) -> list[Measure]:
    """Turns numbers into the rows of the report."""
    ascent, memory, still = n["ascent_seconds"], n["memory"], n["stillness"]
    rows = []
    for name, half in n["halves"].items():
        means = f"{_two(half['first'])} against {_two(half['second'])}"
        name = f"{name}, first half against second ({means}): p-value"
        rows.append(_row(name, half["p_value"], ".3f", least=0.01))
    name = "autocorrelation of the wax falls below 0.2 after"
    rows.append(_row(name, memory["below_0.2_after_seconds"], ".1f", " s", most=120))
    name = f"its highest peak afterwards, up to {memory['largest_lag_seconds']:g} s"
    rows.append(_row(name, memory["peak_after"], ".2f", most=0.5))
    largest = f"{n['largest_correlation']:.3f}"
    name = f"correlation of lamps of two seeds, mean of all (largest {largest})"
    rows.append(_row(name, n["mean_correlation"], "+.3f", "", -0.05, 0.05))
    name = "the same at the first moment after the warm-up"
    rows.append(_row(name, n["start_correlation"], "+.3f", "", -0.1, 0.1))
    name = "distance of two lamps, over that of far moments of one"
    rows.append(_row(name, n["distance_ratio"], ".3f", "", 0.9, 1.1))
    name = (
        f"smallest change of any lamp in any {_WINDOW_SECONDS:g} s, over the usual "
        f"(the usual: {still['usual_moved_share']:.0%} of the wax is elsewhere)"
    )
    rows.append(_row(name, min(still["smallest_of_usual"]), ".2f", least=_STILL))
    name = (
        f"time with 2 to 9 blobs (mean {n['blobs']['mean']:.1f}; "
        f"as seen from the front {n['blobs_from_the_front']['mean']:.1f})"
    )
    rows.append(_row(name, 100 * n["share_2_to_9"], ".1f", " %", 50))
    name = "blobs more than twice as high as wide (columns)"
    rows.append(_row(name, 100 * n["column_share"], ".1f", " %", 5))
    name = "blobs about as high as wide (within 3 : 2)"
    rows.append(_row(name, 100 * n["round_share"], ".1f", " %", 5))
    name = "diameter of a ball as large as a blob, widths"
    rows.append(Measure(name, _two(n["diameter"])))
    rows.append(_row("partings a minute", n["partings_a_minute"], ".1f", "", 2, 60))
    rows.append(_row("mergings a minute", n["mergings_a_minute"], ".1f", "", 2, 60))
    name = (
        f"wax from foot to top, median of {n['ascents']} ascents "
        f"(quartiles {ascent['25%']:.1f} s, {ascent['75%']:.1f} s)"
    )
    rows.append(_row(name, ascent["50%"], ".1f", " s", 5, 25))
    rows.append(Measure("speed of the wax, widths a second", _two(n["speed"])))
    name = "largest change of the volume of wax"
    rows.append(_row(name, n["volume_drift"], ".1e", most=1e-3))
    return rows


def _row(
    name: str,
    value: float,
    form: str,
    unit: str = "",
    least: Any = None,
    most: Any = None,
) -> Measure:
    """Returns a row that asks for a value from `least` to `most`."""
    if most is None:
        met, mark = value >= least, f"{least:g}{unit} or more"
    elif least is None:
        met, mark = value <= most, f"at most {most:g}{unit}"
    else:
        met, mark = least <= value <= most, f"{least:g} to {most:g}{unit}"
    return Measure(name, f"{value:{form}}{unit}", mark, bool(met))


def _two(values: dict[str, float]) -> str:
    return f"{values['mean']:.3f} ± {values['std']:.3f}"


def _draw(
    film: _Film, curves: dict[str, np.ndarray]
) -> dict[str, matplotlib.figure.Figure]:
    """Returns the pictures of the report by the name of their file."""
    return {
        "moments.png": _draw_moments(film.pictures),
        "places.png": _draw_places(film),
        "curves.png": _draw_curves(curves),
    }


def _draw_moments(pictures: np.ndarray) -> matplotlib.figure.Figure:
    figure = matplotlib.figure.Figure((1.3 * len(pictures), 1.6), layout="constrained")
    panels = figure.subplots(1, len(pictures), squeeze=False).ravel()
    for index, axes in enumerate(panels):
        axes.imshow(pictures[index])
        axes.set_title(f"{index * _CHUNK_SECONDS} s", fontsize=8)
        axes.axis("off")
    return figure


def _draw_places(film: _Film) -> matplotlib.figure.Figure:
    figure = matplotlib.figure.Figure((12, 3), layout="constrained")
    times, above = figure.subplots(1, 2, width_ratios=(4, 1))
    levels = film.levels[: round(_MAX_LAG_SECONDS * _RATE)].T
    extent = (0, levels.shape[1] / _RATE, 0, 1)
    options = {"origin": "lower", "cmap": "inferno"}
    times.imshow(levels, aspect="auto", extent=extent, **options)
    times.set(title="wax, mean of each row", xlabel="seconds", ylabel="height")
    mean = film.wax.mean(axis=(0, 2), dtype=np.float32)
    above.imshow(mean, extent=(0, 1, 0, 1), vmin=0, **options)
    above.set(title="mean from above", xlabel="x", ylabel="z, front to back")
    return figure


def _draw_curves(curves: dict[str, np.ndarray]) -> matplotlib.figure.Figure:
    """Draws the autocorrelation, and histograms of all else."""
    figure = matplotlib.figure.Figure((14, 6), layout="constrained")
    panels = figure.subplots(2, 4).ravel()
    for axes, (name, values) in zip(panels, curves.items(), strict=True):
        axes.set(xlabel=name)
        if name == _AUTOCORRELATION:
            axes.plot(np.arange(len(values)) / _RATE, values)
            axes.axhline(
                0.2, color="grey", linestyle="--", label="below it within 120 s"
            )
            axes.axhline(0.5, color="red", linestyle="--", label="not above it again")
            axes.legend()
            continue
        is_count = values.dtype.kind == "i"
        bins = np.arange(values.min(), values.max() + 2) - 0.5 if is_count else 40
        edges = np.histogram_bin_edges(values, bins)
        if name in _SERIES:
            for half, label in zip(np.array_split(values, 2), _HALVES, strict=True):
                axes.hist(half, edges, histtype="step", label=f"{label} half")
            axes.legend()
        else:
            axes.hist(values, edges)
    return figure


def _markdown(
    about: dict[str, Any], measures: list[Measure], pictures: list[str]
) -> str:
    marks = {True: "met", False: "**not met**", None: ""}
    return "\n".join(
        [
            "# The simulated lamp: does it last, does it live?",
            "",
            f"The lamp of seed {about['seed']} for {about['seconds']:g} s of film, and "
            f"{about['num_seeds']} lamps for {about['seconds_per_seed']:g} s, after "
            f"the warm-up; {about['samples_per_second']} moments a second. "
            "How each is measured: `duralava/simulation/statistics.py`.",
            "",
            "| measure | value | mark | |",
            "| --- | --- | --- | --- |",
            *(
                f"| {m.name} | {m.value} | {m.mark} | {marks[m.met]} |"
                for m in measures
            ),
            "",
            *(f"![{name}]({name})\n" for name in pictures),
        ]
    )
