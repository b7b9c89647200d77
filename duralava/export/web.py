"""A web page with a lamp that runs in the browser itself, as a folder of files."""

import os
import pathlib
import shutil

import numpy as np

from duralava import files, live
from duralava.export import onnx_models, onnxruntime_web
from duralava.lamp import Lamp
from duralava.live import player, touch

# The files of the live page; then main.js and the modules that run the lamp, instead of
# the main.js of the live page.
STATIC = [
    pathlib.Path(package).parent / "static" for package in (live.__file__, __file__)
]


def write_site(
    path: str | os.PathLike[str], lamp: Lamp, *, name: str, size: int | None = None
) -> None:
    """Writes the page of `duralava live` with a lamp that needs no server.

    The networks are ONNX models that onnxruntime-web runs. The folder contains all
    files of the page, which refers to them by relative names.

    Args:
      path: folder that is missing or empty.
      lamp: to show.
      name: of its weights.
      size: height and width of a frame in pixels; None for those of the live view.

    Raises:
      ValueError: the lamp does not draw this size.
      OSError: the folder is not empty or cannot be written, or npm cannot fetch
        onnxruntime-web.
    """
    size = lamp.drawn_size(size, default=player.FRAME_SIZE)
    files.check_new_folder(path)
    with files.written_whole(path) as site:
        for folder in STATIC:
            shutil.copytree(folder, site, dirs_exist_ok=True)
        onnxruntime_web.fetch(site / "onnxruntime-web")
        for part, model in {
            "generator": onnx_models.generator_model(lamp, size=size),
            "transition": onnx_models.transition_model(lamp),
        }.items():
            onnx_models.write_onnx(site / f"{part}.onnx", model)
        gradients = np.asarray(touch.brightening(lamp), "<f4")
        (site / "brightening.f32").write_bytes(gradients.tobytes())
        files.write_json(site / "lamp.json", _describe(lamp, name, size))


def _describe(lamp: Lamp, name: str, size: int) -> dict[str, object]:
    return {
        "checkpoint": name,
        "steps_per_second": lamp.steps_per_second,
        "latent_size": lamp.config.latent_size,
        "resolution": size,
        "push": {
            "seconds": player.PUSH_SECONDS,
            "speed": player.PUSH_SPEED,
            "radius": touch.RADIUS,
            "nearest": touch.nearest_angle(lamp.config.latent_size),
        },
        "normal_bounds": player.normal_bounds(lamp.config.latent_size)._asdict(),
    }
