"""A web page with a lamp that runs in the browser itself, as a folder of files."""

import gzip
import os
import pathlib
import shutil
from typing import NamedTuple

import numpy as np
import onnx

from duralava import files, live, themes
from duralava.export import offline, onnx_models, onnxruntime_web
from duralava.lamp import Lamp
from duralava.live import feature_maps, player, show, touch

# The files of the live page; then lamp.js and the modules that run the lamp, instead of
# the lamp.js of the live page.
STATIC = [
    pathlib.Path(package).parent / "static" for package in (live.__file__, __file__)
]
_RUNTIME = "onnxruntime-web/ort-wasm-simd-threaded.wasm"
_TOUCH = "brightening.f32"  # how a touch turns the latent


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

    The networks are ONNX models that onnxruntime-web runs. The folder contains all
    files of the page, which refers to them by relative names. Beside each file that
    compression makes smaller lies a compressed copy. The page loads and decompresses
    the copies of the large files by itself, so that any file server will do.

    Args:
      path: folder that is missing or empty.
      lamp: to show.
      name: of its weights.
      size: height and width of a frame in pixels where the browser cannot draw in the
        screen's own; None for those of the live view.

    Raises:
      ValueError: the lamp does not draw this size.
      OSError: the folder is not empty or cannot be written, or npm cannot fetch
        onnxruntime-web.
    """
    size = lamp.drawn_size(size, default=player.FRAME_SIZE)
    lamp = feature_maps.fill_vectors(lamp)
    files.check_new_folder(path)
    with files.written_whole(path) as site:
        for folder in STATIC:
            shutil.copytree(folder, site, dirs_exist_ok=True)
        onnxruntime_web.fetch(site / "onnxruntime-web")
        parts = _models(lamp, size)
        for part, model in parts.items():
            onnx_models.write_onnx(site / part, model)
        gradients = np.asarray(touch.brightening(lamp), "<f4")
        (site / _TOUCH).write_bytes(gradients.tobytes())
        files.write_json(site / "themes.json", themes.tables())
        sizes = {
            path.relative_to(site).as_posix(): _compress(path)
            for path in sorted(site.rglob("*"))
            if path.is_file()
        }
        loaded = {part: sizes[part] for part in (_RUNTIME, _TOUCH, *parts)}
        files.write_json(site / "lamp.json", _describe(lamp, name, size, loaded))
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
    # Without WebGL, it loads `head.onnx.gz` as well.
    first_visit = set(offline.kept_files(site)) - {"head.onnx.gz"}
    return Site(sum(sizes.values()), sum(sizes[name] for name in first_visit))


def _models(lamp: Lamp, size: int) -> dict[str, onnx.ModelProto]:
    """Returns the models by the names of their files.

    A shader has the work of `head.onnx`, where a browser can run it.
    """
    shared = {"transition.onnx": onnx_models.transition_model(lamp)}
    if not feature_maps.has_features(lamp):
        return shared | {"generator.onnx": onnx_models.generator_model(lamp, size=size)}
    return shared | {
        "features.onnx": onnx_models.features_model(lamp),
        "head.onnx": onnx_models.head_model(lamp, size=size),
    }


def _describe(
    lamp: Lamp, name: str, size: int, loaded: dict[str, int]
) -> dict[str, object]:
    """Returns what the page needs to know, the head of a shader and sizes included."""
    has_features = feature_maps.has_features(lamp)
    return {
        "checkpoint": name,
        "steps_per_second": lamp.steps_per_second,
        "latent_size": lamp.config.latent_size,
        "resolution": size,
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
        "compressed_bytes": loaded,
    }
