"""Makes the pictures of the documentation.

  python docs/figures/lamps.py

`contact_sheet.png`: on the left 8 lamps that the network dreams, on the right the
simulated film that it learned from; a row is one lamp, with 2 seconds from one picture
to the next. `lamps.png`: lamps of the network, moving. `simulation.png`: moments of a
simulated lamp, 3 seconds apart. `themes.png`: simulated lamps in all colours, moving.
"""

import itertools
import pathlib
from collections.abc import Sequence
from fractions import Fraction

import jax
import numpy as np
from PIL import Image

from duralava import command_line, pretrained, simulation
from duralava.rendering import frames, writers
from duralava.rendering.lamps import fresh_lamps
from duralava.simulation import lamp, shading

_FOLDER = pathlib.Path(__file__).parents[1] / "pictures"
_LAMPS, _MOMENTS, _SECONDS_APART = 8, 10, 2
_ANIMATION_LAMPS, _ANIMATION_SECONDS, _ANIMATION_FPS = 4, 6, 10
_ROWS, _COLUMNS, _SIZE, _MOMENTS_APART = 3, 8, 160, 3
_THEME_SIZE = 112


def dreamed(num_lamps: int, num_frames: int, fps: Fraction) -> np.ndarray:
    """Returns film of lamps of the shipped weights, u8[N, B, H, W, 3]."""
    params, config = pretrained.load()
    lamps = fresh_lamps(0, config=config.model, count=num_lamps)
    chunks = frames.frame_chunks(
        params,
        lamps.latents,
        lamps.key,
        chunk_size=num_frames,
        config=config.model,
        steps_per_frame=frames.steps_per_frame(config, fps=fps),
    )
    return next(chunks)


def simulated(
    num_lamps: int, num_frames: int, seconds_apart: int, resolution: int
) -> np.ndarray:
    """Returns consecutive pieces of simulated film as lamps, u8[N, B, H, W, 3]."""
    frames_apart = seconds_apart * simulation.FRAMES_PER_SECOND
    # Only the moments that are shown are drawn.
    chunks = lamp.simulate(seed=0, chunk_size=frames_apart)
    moments = (
        np.asarray(shading.shade(jax.tree.map(lambda f: f[:1], states), resolution))[0]
        for states in chunks
    )
    chosen = np.stack(list(itertools.islice(moments, num_lamps * num_frames)))
    return chosen.reshape(num_lamps, num_frames, *chosen.shape[1:]).swapaxes(0, 1)


def in_all_themes() -> np.ndarray:
    """Returns film of simulated lamps side by side, u8[N, H, W, 3]."""
    fps = simulation.FRAMES_PER_SECOND
    lamps = []
    for seed, theme in enumerate(simulation.THEMES):
        chunks = simulation.film_chunks(
            seed, _THEME_SIZE, theme=theme, chunk_size=_ANIMATION_SECONDS * fps
        )
        lamps.append(next(chunks)[:: fps // _ANIMATION_FPS])
    return np.concatenate(lamps, axis=2)


def sheet(film: np.ndarray) -> np.ndarray:
    """u8[N, B, H, W, 3] -> one picture with a row for each of B lamps."""
    moments, lamps, height, width, _ = film.shape
    return film.transpose(1, 2, 0, 3, 4).reshape(lamps * height, moments * width, 3)


def main(_: Sequence[str]) -> None:
    """Makes all pictures."""
    left = sheet(dreamed(_LAMPS, _MOMENTS, Fraction(1, _SECONDS_APART)))
    right = sheet(simulated(_LAMPS, _MOMENTS, _SECONDS_APART, resolution=64))
    gap = np.full((len(left), 16, 3), 255, np.uint8)
    both = np.concatenate([left, gap, right], axis=1)
    Image.fromarray(both).save(_FOLDER / "contact_sheet.png")

    num_frames = _ANIMATION_SECONDS * _ANIMATION_FPS
    film = dreamed(_ANIMATION_LAMPS, num_frames, Fraction(_ANIMATION_FPS))
    writers.write_frames(
        _FOLDER / "lamps.png",
        (np.concatenate(list(lamps), axis=1) for lamps in film),
        fps=_ANIMATION_FPS,
    )
    film = simulated(_ROWS, _COLUMNS, _MOMENTS_APART, resolution=_SIZE)
    Image.fromarray(sheet(film)).save(_FOLDER / "simulation.png")
    writers.write_frames(
        _FOLDER / "themes.png", iter(in_all_themes()), fps=_ANIMATION_FPS
    )
    print(f"wrote contact_sheet, lamps, simulation and themes .png: {_FOLDER}")


if __name__ == "__main__":
    command_line.run(main)
