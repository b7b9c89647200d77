"""Exports a lamp: as a web page, an ONNX model or StableHLO.

duralava export --format=web --output=site/
duralava export --format=onnx --output=lamp.onnx
duralava export --format=stablehlo --checkpoint=runs/lamp
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags
from etils import epy

from duralava import extras, pretrained

with epy.lazy_imports():
    from duralava import files, weights
    from duralava import lamp as lamps
    from duralava.export import onnx_models, stablehlo, web

_OUTPUTS = {"web": "site", "onnx": "lamp.onnx", "stablehlo": "lamp.stablehlo"}

_FORMAT = flags.DEFINE_enum(
    "format",
    "web",
    list(_OUTPUTS),
    "web: a folder for any file server; the browser runs the network. onnx, stablehlo: "
    "one step, (latent, noise) -> (frame, next latent), for any number of lamps.",
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "New folder for web, file for the others; by default "
    f"{', '.join(_OUTPUTS.values())}.",
)
_SIZE = flags.DEFINE_integer(
    "size",
    None,
    "Height and width of a frame in pixels, by default those of the training frames. "
    "For web, of frames in browsers without WebGL, by default 160; others draw in the "
    "screen's own pixels. Weights of the generator `convolution` draw one size only.",
    lower_bound=1,
)
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    pretrained.DEFAULT,
    "Name of shipped weights, workdir of a training run, or .safetensors file.",
)


def main(_: Sequence[str]) -> None:
    """Exports and prints what was written."""
    kind = _FORMAT.value
    output = _OUTPUTS[kind] if _OUTPUT.value is None else _OUTPUT.value
    if kind != "web":
        _check_new_file(output)
    lamp = weights.load(_CHECKPOINT.value)
    lamp.config.picture_size(_SIZE.value)
    with extras.needed("export"):
        print(_write(kind, output, lamp))


def _write(kind: str, output: str, lamp: lamps.Lamp) -> str:
    """Writes a lamp, and returns what was written as a sentence."""
    size = _SIZE.value
    if kind == "web":
        name = pathlib.Path(_CHECKPOINT.value).stem
        site = web.write_site(output, lamp, name=name, size=size)
        total, visit = (f"{bytes_ / 1e6:.1f} MB" for bytes_ in site)
        return (
            f"wrote {output}, {total}, of which a visitor loads {visit}; "
            f"python -m http.server --directory {output} serves it"
        )
    if kind == "onnx":
        onnx_models.write_onnx(output, onnx_models.step_model(lamp, size=size))
    else:
        stablehlo.write_stablehlo(output, lamp, size=size)
    return f"wrote one step of {_CHECKPOINT.value}: {output}"


def _check_new_file(output: str) -> None:
    files.check_parent(output)
    if output.endswith("/") or pathlib.Path(output).is_dir():
        raise IsADirectoryError(f"{output} is a folder; name a file")
