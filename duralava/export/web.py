"""A web page with a lamp that runs in the browser itself, as a folder of files."""

import gzip
import os
import pathlib
import shutil
from typing import NamedTuple

import numpy as np

from duralava import files, live, themes
from duralava.export import offline, web_arrays
from duralava.lamp import Lamp
from duralava.live import feature_maps, player, show, touch

# The files of the live page; then lamp.js and the modules that run the lamp, instead of
# the lamp.js of the live page.
STATIC = [
    pathlib.Path(package).parent / "static" for package in (live.__file__, __file__)
]
_CODE, _WEIGHTS = "product.wasm", "weights.bin"


class Site(NamedTuple):
    """How large a written page is.

    Attributes:
      num_bytes: of all its files.
      first_visit: bytes that a browser loads to show the lamp.
    """

    num_bytes: int
    first_visit: int


def write_site(
    path: str | os.PathLike[str], lamp: Lamp, *, name: str, size: int | None = None
) -> Site:
    """Writes the page of `duralava live` with a lamp that needs no server.

    The folder contains all files of the page, which refers to them by relative names.
    Beside each file lies a compressed copy. The page loads and decompresses the copies
    of the large files by itself, so that any file server will do.

    Args:
      path: folder that is missing or empty.
      lamp: to show.
      name: of its weights.
      size: height and width of a frame in pixels where the browser cannot draw in the
        screen's own; None for those of the live view.

    Raises:
      ValueError: the lamp does not draw this size.
      OSError: the folder is not empty or cannot be written.
    """
    size = lamp.drawn_size(size, default=player.FRAME_SIZE)
    lamp = feature_maps.fill_vectors(lamp)
    files.check_new_folder(path)
    with files.written_whole(path) as site:
        for folder in STATIC:
            shutil.copytree(folder, site, dirs_exist_ok=True)
        arrays = web_arrays.arrays(lamp, size)
        parts = [array.tobytes() for array in arrays.values()]
        (site / _WEIGHTS).write_bytes(b"".join(parts))
        files.write_json(site / "themes.json", themes.tables())
        sizes = {
            path.relative_to(site).as_posix(): _compress(path)
            for path in sorted(site.rglob("*"))
            if path.is_file()
        }
        described = _describe(lamp, name, size) | {
            "arrays": [_describe_array(*item) for item in arrays.items()],
            "compressed_bytes": {part: sizes[part] for part in (_CODE, _WEIGHTS)},
        }
        files.write_json(site / "lamp.json", described)
        _compress(site / "lamp.json")
        _compress(offline.write_service_worker(site))
        return _measure(site)


def _compress(path: pathlib.Path) -> int:
    """Writes a compressed copy beside a file, and returns its size in bytes."""
    packed = gzip.compress(path.read_bytes(), mtime=0)
    path.with_name(f"{path.name}.gz").write_bytes(packed)
    return len(packed)


def _measure(site: pathlib.Path) -> Site:
    sizes = {
        path.relative_to(site).as_posix(): path.stat().st_size
        for path in site.rglob("*")
        if path.is_file()
    }
    first_visit = offline.kept_files(site)
    return Site(sum(sizes.values()), sum(sizes[name] for name in first_visit))


def _describe_array(name: str, array: np.ndarray) -> dict[str, object]:
    return {"name": name, "shape": array.shape, "half": array.itemsize == 2}


def _describe(lamp: Lamp, name: str, size: int) -> dict[str, object]:
    """Returns what the page needs to know, the head of a shader included."""
    has_features = feature_maps.has_features(lamp)
    return {
        "checkpoint": name,
        "steps_per_second": lamp.steps_per_second,
        "latent_size": lamp.config.latent_size,
        "resolution": size,
        "networks": {
            "transition": lamp.config.transition,
            "refresh": lamp.config.refresh,
            "pixel_norm": lamp.config.pixel_norm,
        },
        "head": feature_maps.describe_head(lamp) if has_features else None,
        "map_seconds": show.MAP_SECONDS,
        "map_steps": show.MAP_STEPS,
        "push": {
            "seconds": player.PUSH_SECONDS,
            "speed": player.PUSH_SPEED,
            "radius": touch.RADIUS,
            "nearest": touch.nearest_angle(lamp.config.latent_size),
        },
        "normal_bounds": player.normal_bounds(lamp.config.latent_size)._asdict(),
    }
