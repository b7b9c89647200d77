"""Fits the colour tables of `duralava/themes.py` and creates a picture of the themes.

  python docs/figures/themes.py

The simulation can draw the same wax in any theme, so the same pixel in two pictures
gives a pair of colours: that of the shipped weights, and that of the theme. A table
interpolates between a grid of colours. It is the smoothest one that is close to all
pairs: a penalised regression, as thin-plate splines are. Colours that the simulated
lamp does not have tend to the mean colour of the theme of the same brightness, so that
lamps of other colours look plausible too.

The script prints how far recoloured pictures are from drawn ones, for lamps that were
not fitted. It takes five minutes on two cores.
"""

import itertools
import pathlib
from collections.abc import Sequence

import jax
import numpy as np
import safetensors.numpy
from absl import flags
from PIL import Image
from scipy import sparse
from scipy.sparse import linalg

import duralava
from duralava import command_line, themes
from duralava.simulation import lamp as physical_lamp
from duralava.simulation import shading
from duralava.simulation.themes import THEMES, Theme

_PACKAGE = pathlib.Path(duralava.__file__).parent
_PICTURE = pathlib.Path(__file__).parents[1] / "pictures/colour_themes.webp"

# Three themes more than those of the simulation.
_MORE = {
    "ocean": Theme(
        wax=(
            (0.02, 0.14, 0.50),
            (0.03, 0.30, 0.76),
            (0.12, 0.52, 0.95),
            (0.48, 0.80, 1.00),
            (0.92, 0.99, 1.00),
        ),
        liquid=(0.01, 0.04, 0.14),
        side=(0.02, 0.15, 0.38),
        foot=(0.04, 0.28, 0.58),
        glow=(0.86, 0.98, 1.00),
        highlight=(0.30, 0.56, 0.88),
        metal=(0.09, 0.10, 0.13),
    ),
    "silver": Theme(
        wax=(
            (0.34, 0.34, 0.36),
            (0.52, 0.52, 0.54),
            (0.72, 0.72, 0.73),
            (0.89, 0.88, 0.87),
            (1.00, 0.99, 0.95),
        ),
        liquid=(0.045, 0.045, 0.055),
        side=(0.15, 0.15, 0.17),
        foot=(0.30, 0.30, 0.31),
        glow=(1.00, 0.98, 0.92),
        highlight=(0.50, 0.50, 0.54),
        metal=(0.12, 0.12, 0.12),
    ),
    "amber": Theme(
        wax=(
            (0.52, 0.16, 0.02),
            (0.80, 0.34, 0.02),
            (0.98, 0.56, 0.06),
            (1.00, 0.78, 0.28),
            (1.00, 0.96, 0.70),
        ),
        liquid=(0.13, 0.04, 0.02),
        side=(0.34, 0.12, 0.04),
        foot=(0.58, 0.24, 0.05),
        glow=(1.00, 0.96, 0.66),
        highlight=(0.80, 0.52, 0.28),
        metal=(0.13, 0.10, 0.08),
    ),
}

_LEARNED = "sunset"  # the theme of the film that the shipped weights learned
_LAMPS, _TEST_LAMPS, _MOMENTS, _FRAMES_APART, _RESOLUTION = 6, 2, 8, 150, 128
_SIZE = 17  # of a table
_LEVELS = 4  # colours that differ by less are one
_LEAST_PIXELS = 20  # of a colour: rarer ones are edges of things that just meet
# Weights of squared second and first differences, and of squares, of what is added to
# the mean colours.
_CURVATURE, _SLOPE, _SQUARE = 0.1, 0.3, 0.1
_LUMA = np.array([0.299, 0.587, 0.114])

_Pairs = tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]


def simulated(seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Returns pictures u8[N, H, W, 3] of lamps, the same ones in each theme."""
    states = [
        jax.tree.map(lambda field: field[:1].copy(), chunk)
        for seed in seeds
        for chunk in itertools.islice(
            physical_lamp.simulate(seed, chunk_size=_FRAMES_APART), _MOMENTS
        )
    ]
    states = jax.tree.map(lambda *fields: np.concatenate(fields), *states)
    return {
        name: np.asarray(shading.shade(states, _RESOLUTION, theme=name))
        for name in THEMES
    }


def pairs(pictures: dict[str, np.ndarray]) -> _Pairs:
    """Returns colours f64[P, 3], those of each theme, and the weight of each pair."""
    learned = pictures[_LEARNED].reshape(-1, 3)
    steps = (learned // _LEVELS).astype(np.int64) @ [1, 256, 256**2]
    _, index, count = np.unique(steps, return_inverse=True, return_counts=True)

    def mean(frames: np.ndarray) -> np.ndarray:
        sums = [np.bincount(index, colour) for colour in frames.reshape(-1, 3).T]
        return (np.stack(sums, axis=1) / count[:, None])[count >= _LEAST_PIXELS]

    means = {name: mean(frames) for name, frames in pictures.items()}
    return means[_LEARNED], means, np.sqrt(count[count >= _LEAST_PIXELS])


def interpolation(colours: np.ndarray) -> sparse.csr_array:
    """Returns the matrix [P, _SIZE ** 3] that reads a table at colours f[P, 3]."""
    place = colours * (_SIZE - 1) / 255
    below = np.minimum(place.astype(int), _SIZE - 2)
    share = place - below
    parts = []
    for corner in itertools.product((0, 1), repeat=3):
        weight = np.where(corner, share, 1 - share).prod(axis=1)
        column = (below + corner) @ [_SIZE**2, _SIZE, 1]
        parts.append((weight, (np.arange(len(colours)), column)))
    shape = len(colours), _SIZE**3
    return sum(sparse.csr_array(part, shape=shape) for part in parts)


def smoothness() -> sparse.csr_array:
    """Returns the matrix [_SIZE ** 3, _SIZE ** 3] of the penalty."""
    one = sparse.eye_array(_SIZE)
    first = sparse.diags_array([-1.0, 1.0], offsets=[0, 1], shape=(_SIZE - 1, _SIZE))
    second = sparse.diags_array(
        [1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(_SIZE - 2, _SIZE)
    )

    def total(kinds: list[sparse.dia_array]) -> sparse.csr_array:
        """Returns the sum of squares of differences, along all axes in turn."""
        terms = [sparse.kron(sparse.kron(a, b), c) for a, b, c in _turns(kinds)]
        return sum(term.T @ term for term in terms)

    curvature = total([second, one, one]) + 2 * total([first, first, one])
    slope = total([first, one, one])
    return (
        _CURVATURE * curvature + _SLOPE * slope + _SQUARE * sparse.eye_array(_SIZE**3)
    )


def _turns(kinds: list[sparse.dia_array]) -> list[list[sparse.dia_array]]:
    return [kinds[-turn:] + kinds[:-turn] for turn in range(3)]


def mean_colours(
    colours: np.ndarray, theme: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Returns the mean colour of a theme for the brightness of each entry of a table.

    Args:
      colours: f64[P, 3].
      theme: the same in the theme, f64[P, 3].
      weight: of each pair, f64[P].

    Returns:
      f64[_SIZE ** 3, 3].
    """
    luma = colours @ _LUMA
    bins = np.digitize(luma, np.arange(0, 256, 15))
    points = [np.zeros(4)]
    for number in np.unique(bins):
        inside = bins == number
        pair = np.column_stack([luma, theme])[inside]
        points.append(np.average(pair, axis=0, weights=weight[inside]))
    brightest = points[-1][1:]
    points.append(np.array([255, *brightest * 255 / brightest.max()]))
    known, *wanted = np.array(points).T
    grid = np.linspace(0, 255, _SIZE)
    entries = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1)
    luma = entries.reshape(-1, 3) @ _LUMA
    return np.stack([np.interp(luma, known, channel) for channel in wanted], axis=1)


def fit(pictures: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the table u8[_SIZE, _SIZE, _SIZE, 3] of each theme."""
    colours, theme_colours, weight = pairs(pictures)
    read = interpolation(colours)
    weighted = read.T @ sparse.diags_array(weight)
    matrix = (weighted @ read + smoothness()).tocsr()
    fitted = {}
    for name, theme in theme_colours.items():
        mean = mean_colours(colours, theme, weight)
        wanted = weighted @ (theme - read @ mean)
        added = [linalg.cg(matrix, channel, rtol=1e-6)[0] for channel in wanted.T]
        entries = np.clip(np.round(mean + np.stack(added, axis=1)), 0, 255)
        entries[0] = 0  # black stays black
        fitted[name] = entries.astype(np.uint8).reshape(_SIZE, _SIZE, _SIZE, 3)
    return fitted


def print_errors(pictures: dict[str, np.ndarray]) -> None:
    """Prints how far recoloured pictures are from drawn ones, where there is light."""
    lit = pictures[_LEARNED].max(axis=-1) > 0
    for name, drawn in pictures.items():
        recoloured = themes.recolour(pictures[_LEARNED][lit], name)
        error = np.abs(recoloured.astype(float) - drawn[lit])
        print(
            f"{name}: mean error {error.mean():.1f} of 255, "
            f"99 % of pixels below {np.percentile(error.max(axis=-1), 99):.0f}"
        )


def create_picture() -> None:
    """Creates a picture of one generated lamp in all themes."""
    lamp = duralava.load()
    frame = np.asarray(lamp.generate(lamp.start(7).latents, size=256))[0, :, 44:-44]
    lamps = [themes.recolour(frame, name) for name in themes.THEMES if name != _LEARNED]
    Image.fromarray(np.concatenate(lamps, axis=1)).save(_PICTURE, quality=90)


def main(_: Sequence[str]) -> None:
    """Fits the tables, then tests them."""
    THEMES.update(_MORE)
    if not _PICTURE_ONLY.value:
        fitted = fit(simulated(range(100, 100 + _LAMPS)))
        content = safetensors.numpy.save(fitted)
        (_PACKAGE / "themes.safetensors").write_bytes(content)
        print_errors(simulated(range(200, 200 + _TEST_LAMPS)))
    create_picture()
    print(f"wrote the tables and {_PICTURE.name}")


_PICTURE_ONLY = flags.DEFINE_bool("picture_only", False, "Keeps the tables.")


if __name__ == "__main__":
    command_line.run(main)
