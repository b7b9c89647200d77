"""Creates the figures of docs/how_it_works.md from the shipped weights.

  python docs/figures/how_it_works.py
  python docs/figures/how_it_works.py --only=touch

Each function in `FIGURES` creates `docs/pictures/how_it_works/NAME.png`.
"""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Sequence

import drawing
import jax
import jax.numpy as jnp
import numpy as np
import runs
from absl import flags
from drawing import BLUE, INK, ORANGE, PINK, QUIET
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from scipy import stats

from duralava import command_line, simulation, weights
from duralava.evaluation import dynamics
from duralava.lamp import interpolate
from duralava.live import player
from duralava.rendering import loops

_FOLDER = pathlib.Path(__file__).parents[1] / "pictures/how_it_works"
_TOUCHED = (0.5, 0.35)  # in units of the frame's width and height


def latents() -> Figure:
    """Latents of a lamp and their frames, one second apart."""
    lamp, count, steps_apart = runs.shipped(), 9, runs.steps_per_second()
    path = runs.trajectory(lamp, lamp.start(3), count * steps_apart)[::steps_apart, 0]
    figure = drawing.new_figure(3.1)
    above, below = figure.subplots(2, count, height_ratios=(1.5, 1))
    figure.subplots_adjust(0.01, 0.02, 0.99, 0.93, wspace=0.3, hspace=0.3)
    for second, frame in enumerate(runs.frames(path)):
        drawing.show_frame(above[second], frame)
        above[second].set_title(f"{second} s", loc="center", color=QUIET, fontsize=9)
        drawing.hide_axes(below[second]).imshow(
            path[second].reshape(8, 8), drawing.COLD_TO_WARM, vmin=-2.5, vmax=2.5
        )
        drawing.arrow(below[second], (0.5, 1.05), (0.5, 1.33))
        if second:
            drawing.arrow(below[second], (-0.34, 0.5), (-0.03, 0.5))
    below[0].text(0.6, 1.12, "generator", transform=below[0].transAxes, color=QUIET)
    return figure


def drift() -> Figure:
    """Two lamps advanced by a rotation, and by an untrained mlp."""
    moments = np.array([0, 10, 20, 50, 100, 200, 500, 1_000, 2_000])
    rows = {}
    for name, lamp in runs.transitions().items():
        start = lamp.start(6, count=2)
        run = runs.trajectory(lamp, start, moments[-1] + 1)[moments]
        for n in range(2):
            rows[f"{name}\nlamp {n + 1}"] = runs.frames(run[:, n], lamp)
    titles = [f"{moment:,}" for moment in moments]
    figure, _ = drawing.film_strips(rows, [f"{titles[0]} steps", *titles[1:]])
    return figure


def stirring() -> Figure:
    """Two values of 2,000 latents under a rotation, and under an untrained mlp."""
    moments = (0, 5, 20, 80, 320)
    start = runs.shipped().start(0, count=2_000)
    hue = np.arctan2(*np.asarray(start.latents[:, :2]).T) / (2 * np.pi) % 1
    colours = hsv_to_rgb(np.stack([hue, 0.6 + 0 * hue, 1 + 0 * hue], axis=-1))
    figure = drawing.new_figure(3.9)
    panels = figure.subplots(2, len(moments), sharex=True, sharey=True)
    figure.subplots_adjust(0.03, 0.01, 0.995, 0.93, wspace=0.02, hspace=0.02)
    for row, (name, lamp) in zip(panels, runs.transitions().items(), strict=True):
        run = runs.trajectory(lamp, start, max(moments) + 1)
        for axes, moment in zip(row, moments, strict=True):
            drawing.hide_axes(axes).scatter(*run[moment, :, :2].T, s=2, c=colours, lw=0)
            for radius in (1, 2, 3):
                axes.add_patch(
                    Circle((0, 0), radius, fill=False, ec=INK, lw=0.5, alpha=0.5)
                )
            axes.set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
        row[0].set_ylabel(name, fontsize=10, color=INK)
    for axes, moment in zip(panels[0], moments, strict=True):
        axes.set_title(f"after {moment} steps" if moment else "N(0, I)", loc="center")
    return figure


def refresh() -> Figure:
    """The length of latents over hours, with and without refresh noise."""
    config, num_shown = runs.shipped().config, 4
    lengths = {
        share: np.linalg.norm(runs.long_run(refresh=share), axis=-1)
        for share in (0.0, config.refresh)
    }
    steps = np.arange(len(lengths[0])) * runs.LONG_RUN_STRIDE
    hours = steps / runs.steps_per_second() / 3600
    figure = drawing.new_figure(3)
    path, histogram = figure.subplots(1, 2, sharey=True, width_ratios=(4, 1))
    figure.subplots_adjust(0.05, 0.15, 0.99, 0.9, wspace=0.04)
    for (share, length), colour in zip(lengths.items(), (BLUE, ORANGE), strict=True):
        lines = path.plot(hours, length[:, :num_shown], color=colour, lw=1)
        lines[0].set_label(f"refresh {share:g}")
    path.set(xlabel="hours", xlim=(0, hours[-1]), ylim=(5.2, 10.8))
    path.set_title(f"$|z|$ of {num_shown} lamps")
    path.legend(loc="upper right", ncols=2)
    all_lengths = lengths[config.refresh].ravel()
    histogram.hist(
        all_lengths, 50, density=True, orientation="horizontal", color=ORANGE, alpha=0.7
    )
    y = np.linspace(5.2, 10.8, 200)
    histogram.plot(stats.chi.pdf(y, config.latent_size), y, color=INK)
    histogram.set(xticks=[], title=f"{runs.LONG_RUN_LAMPS} lamps; N(0, I)")
    return figure


def encoder() -> Figure:
    """Held-out film, its decoded codes, and a rollout of its first code."""
    count, apart = 9, simulation.FRAMES_PER_SECOND
    lamp, steps_apart = runs.shipped(), runs.steps_per_second()
    film = {
        size: next(
            simulation.film_chunks(1001, size, chunk_size=(count - 1) * apart + 1)
        )[::apart]
        for size in (lamp.config.resolution, runs.FRAME_SIZE)
    }
    codes = lamp.encode(film[lamp.config.resolution])
    start = lamp.start(0)._replace(latents=codes[:1])
    ahead = runs.trajectory(lamp, start, count * steps_apart)[::steps_apart, 0]
    rows = {"film": film[runs.FRAME_SIZE], "decoded\ncodes": runs.frames(codes)}
    rows["rollout of\nfirst code"] = runs.frames(ahead)
    figure, _ = drawing.film_strips(rows, [f"{second} s" for second in range(count)])
    return figure


def flow() -> Figure:
    """Frames of latents without the flow and with it, and held-out film."""
    lamp, count = runs.shipped(), 9
    latents = lamp.start(2, count=count).latents
    without = dataclasses.replace(
        lamp, config=dataclasses.replace(lamp.config, flow_layers=0)
    )
    film = [
        next(simulation.film_chunks(seed, runs.FRAME_SIZE, chunk_size=1))[0]
        for seed in range(1001, 1001 + count)
    ]
    rows = {
        "without\nthe flow": runs.frames(latents, without),
        "with\nthe flow": runs.frames(latents),
        "film": np.stack(film),
    }
    figure, _ = drawing.film_strips(rows, [""] * count)
    return figure


def interpolation() -> Figure:
    """From one latent to another: great circle, straight line, cross-fade of pixels."""
    lamp = runs.shipped()
    first, last = lamp.start(11, count=2).latents

    def circle(shares: jax.Array) -> jax.Array:
        return interpolate(first, last, shares)

    def line(shares: jax.Array) -> jax.Array:
        return first + shares[:, None] * (last - first)

    shares = jnp.linspace(0, 1, 9)
    film = runs.frames(circle(shares))
    start, end = film[[0, -1]].astype(np.float32)
    faded = start + np.asarray(shares)[:, None, None, None] * (end - start)
    rows = {"great circle": film, "cross-fade\nof pixels": faded.astype(np.uint8)}
    figure, axes = drawing.film_strips(rows, [f"{s:.3g}" for s in shares], graph=1)
    fine = jnp.linspace(0, 1, 200)
    for path, name, colour in (
        (circle, "great circle", ORANGE),
        (line, "straight line", BLUE),
    ):
        axes.plot(fine, jnp.linalg.norm(path(fine), axis=-1), color=colour, label=name)
    axes.set(xlim=(-1 / 16, 17 / 16), ylim=(4, 10), xlabel="fraction of the way")
    axes.set_ylabel("$|z|$")
    axes.legend(loc="lower left", ncols=2)
    return figure


def loop() -> Figure:
    """The path of a lamp through latent space, open and closed to a loop."""
    num_steps, overlap = 100, 50
    own = num_steps - overlap
    lamp = runs.shipped()
    start = lamp.start(2)
    open_path = runs.trajectory(lamp, start, num_steps + overlap)[overlap:, 0]
    closed = np.asarray(
        loops.closed_path(lamp, start, num_steps=num_steps, overlap=overlap)
    )[:, 0]
    whole = np.concatenate([closed, closed, closed[:1]])
    _, _, directions = np.linalg.svd(closed - closed.mean(axis=0))
    plane = directions[:2].T
    figure = drawing.new_figure(3.4)
    path, speed = figure.subplots(1, 2, width_ratios=(1, 1.6))
    figure.subplots_adjust(0.01, 0.14, 0.99, 0.9, wspace=0.12)
    path.plot(*(open_path @ plane).T, ":", color=QUIET, label="not led back")
    path.plot(*(whole[: own + 1] @ plane).T, color=ORANGE, label="unchanged")
    path.plot(*(whole[own : num_steps + 1] @ plane).T, color=BLUE, label="led back")
    path.plot(*(closed[0] @ plane), "o", color=INK, ms=5)
    drawing.hide_axes(path).set(aspect="equal", title="path of the latent, projected")
    path.legend(fontsize=8)
    turn = runs.angles(whole[:-1], whole[1:])
    seconds = np.arange(len(turn)) / runs.steps_per_second()
    for first in range(0, len(turn), own):
        part = slice(first, first + own + 1)
        colour = BLUE if first % num_steps else ORANGE
        speed.plot(seconds[part], turn[part], color=colour)
    speed.axvline(num_steps / runs.steps_per_second(), color=INK, lw=0.6, ls=":")
    speed.text(
        num_steps / runs.steps_per_second() + 0.5, 0.004, "loop restarts", color=INK
    )
    speed.set(xlim=(0, seconds[-1]), ylim=0, xlabel="seconds (two loops)")
    speed.set_title("rotation of the latent per step, radians")
    return figure


def touch() -> Figure:
    """A lamp that is touched, and the same lamp without the touch."""
    at, seconds = 1, 8
    touched, untouched = (
        runs.run_live(8, seconds, touched_at, *_TOUCHED)
        for touched_at in (at, math.inf)
    )
    size = touched.latents.shape[-1]
    rows = {
        "touched": touched.film[:: runs.LIVE_FPS],
        "not touched": untouched.film[:: runs.LIVE_FPS],
    }
    figure, axes = drawing.film_strips(
        rows, [f"{second} s" for second in range(seconds + 1)], graph=1.6
    )
    drawing.mark_point(figure.axes[at], *_TOUCHED)
    time = np.arange(len(touched.film)) / runs.LIVE_FPS
    length = np.linalg.norm(touched.latents, axis=-1) / size**0.5
    axes.plot(time, length, color=PINK, lw=4, alpha=0.6, label=f"$|z|/{size**0.5:g}$")
    for values, colour, name in (
        (touched.latents.std(axis=-1), ORANGE, "standard deviation"),
        (touched.latents.mean(axis=-1), BLUE, "mean"),
        (runs.angles(touched.latents, untouched.latents), INK, "angle, radians"),
    ):
        axes.plot(time, values, color=colour, label=name)
    axes.axvspan(at, at + player.PUSH_SECONDS, color=INK, alpha=0.2, lw=0)
    axes.set(xlim=(-0.5, seconds + 0.5), ylim=(-0.5, 2), xlabel="seconds")
    axes.legend(loc="upper right", ncols=4)
    return figure


def divergence() -> Figure:
    """Pairs of lamps with a tiny difference at the start."""
    offset, num_steps, shown = 1e-4, 601, 0
    lamp = runs.shipped()
    state = lamp.start(4, count=24)
    offsets = jax.random.normal(jax.random.key(1), state.latents.shape)
    offsets *= offset / jnp.linalg.norm(offsets, axis=-1, keepdims=True)
    # With the same key, both lamps of a pair receive the same noise.
    pair = [
        runs.trajectory(lamp, state._replace(latents=latents), num_steps)
        for latents in (state.latents, state.latents + offsets)
    ]
    distance = np.linalg.norm(pair[0] - pair[1], axis=-1)
    exponent = lamp.steps_per_second * np.mean(
        dynamics.lyapunov_exponent(lamp, state.latents, state.key, num_steps=5_000)
    )
    moments = np.arange(0, 121, 15)
    at = moments * runs.steps_per_second()
    rows = {"lamp 1": runs.frames(pair[0][at, shown])}
    rows[f"lamp 2,\n{offset} away"] = runs.frames(pair[1][at, shown])
    figure, axes = drawing.film_strips(rows, [f"{m} s" for m in moments], graph=2)
    time = np.arange(num_steps) / runs.steps_per_second()
    axes.semilogy(time, distance, color=BLUE, alpha=0.4, lw=0.7)
    axes.semilogy(time, distance[:, shown], color=ORANGE)
    line = offset * np.exp(exponent * time)
    axes.semilogy(time[line < 10], line[line < 10], "--", color=INK)
    axes.text(80, 1e-2, f"- -   a factor of e in {1 / exponent:.1f} s", color=INK)
    axes.set(xlim=(-7.5, 127.5), xlabel="seconds")
    axes.set_ylabel("distance")
    return figure


def durability() -> Figure:
    """Latent values against those of N(0, 1), and their standard deviation."""
    figure = drawing.new_figure(3.2)
    early, late, deviation = figure.subplots(1, 3)
    figure.subplots_adjust(0.05, 0.15, 0.99, 0.9, wspace=0.2)
    start = runs.shipped().start(0, count=runs.LONG_RUN_LAMPS)
    for label, name, colour in (
        ("rotation", weights.DEFAULT, ORANGE),
        ("mlp, trained", "simulated_64_mlp", PINK),
    ):
        run, far = runs.trajectory(runs.shipped(name), start, 21), runs.long_run(name)
        drawing.plot_quantiles(early, run[20], colour)
        drawing.plot_quantiles(late, far[-1], colour)
        steps = np.arange(1, len(far)) * runs.LONG_RUN_STRIDE
        deviation.semilogx(steps, far[1:].std(axis=(1, 2)), color=colour, label=label)
    untrained = runs.trajectory(runs.transitions()["untrained mlp"], start, 501)
    drawing.plot_quantiles(early, untrained[20], BLUE)
    deviation.semilogx(untrained.std(axis=(1, 2)), color=BLUE, label="mlp, untrained")
    early.set_title("values after 20 steps")
    late.set_title(f"values after {runs.LONG_RUN_STEPS:,} steps")
    deviation.set(xlabel="steps", title="standard deviation", ylim=(0, 2))
    deviation.legend()
    return figure


FIGURES: dict[str, Callable[[], Figure]] = {
    figure.__name__: figure
    for figure in (
        latents,
        drift,
        stirring,
        refresh,
        encoder,
        flow,
        interpolation,
        loop,
        touch,
        divergence,
        durability,
    )
}
_ONLY = flags.DEFINE_multi_enum(
    "only", list(FIGURES), list(FIGURES), "The figure to create; may be repeated."
)


def main(_: Sequence[str]) -> None:
    """Creates the requested figures."""
    _FOLDER.mkdir(exist_ok=True)
    for name in _ONLY.value:
        drawing.save_png(FIGURES[name](), _FOLDER / f"{name}.png")
    print(f"wrote {', '.join(_ONLY.value)}: {_FOLDER}")


if __name__ == "__main__":
    command_line.run(main)
