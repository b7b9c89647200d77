"""Weights of lamps: those that are shipped, files, and workdirs of training runs."""

import hashlib
import json
import os
import pathlib
import warnings
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import safetensors.numpy
from etils import epy
from safetensors import SafetensorError, safe_open

from duralava import extras, files, pretrained, trees
from duralava.config import Config, ModelConfig, from_dict, to_dict, with_generator
from duralava.lamp import Lamp
from duralava.pretrained import DEFAULT, names

with epy.lazy_imports():  # which weights that fit do not need
    from duralava import models


def load(checkpoint: str | os.PathLike[str] = DEFAULT) -> Lamp:
    """Loads a lamp by the name of shipped weights, from a file or from a workdir.

    Args:
      checkpoint: one of `names()`, a `.safetensors` file of `save`, or the workdir of a
        training run, of which the averaged weights of the latest checkpoint are taken.

    Raises:
      ValueError: nothing of that name, not weights of duralava, a damaged file, or
        parameters that are not finite or not those of their config; the message names
        them.
      OSError: a file cannot be read.
    """
    path = pathlib.Path(checkpoint)
    if path.suffix == ".safetensors":
        return _load_file(path)
    if path.is_dir():
        # Imported here: only workdirs need Orbax.
        with extras.needed("train"):
            from duralava import checkpoints

        return _checked(checkpoints.load_lamp(path), path)
    shipped = pretrained.FOLDER / f"{path}.safetensors"
    if not shipped.is_file():
        raise ValueError(
            f"no checkpoint '{checkpoint}': neither a workdir, nor a .safetensors "
            f"file, nor one of the shipped {', '.join(names())}"
        )
    return _load_file(shipped)


def save(path: str | os.PathLike[str], lamp: Lamp) -> None:
    """Writes a lamp, its weights in half precision, to one `.safetensors` file.

    A half-precision weight is off by at most 1 part in 2,048. What must hold exactly,
    such as the orthogonality of a rotation, is computed from weights after loading.
    """
    flat = {
        name: np.asarray(leaf, np.float16)
        for name, leaf in trees.named_leaves(lamp.params).items()
    }
    metadata = {
        "model": json.dumps(to_dict(lamp.config)),
        "steps_per_second": json.dumps(lamp.steps_per_second),
    }
    if lamp.training is not None:
        metadata["training"] = json.dumps(to_dict(lamp.training))
    metadata["checksum"] = json.dumps(_checksum(flat, metadata))
    with files.written_whole(path) as partial:
        # Not `save_file`, which makes files that other users cannot read.
        partial.write_bytes(safetensors.numpy.save(flat, metadata))


def _load_file(path: pathlib.Path) -> Lamp:
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        checksum = files.parse_json(metadata.pop("checksum", "null"))
        if checksum is not None and checksum != _checksum(flat, metadata):
            raise ValueError("its content is not what was written")
        described = _described({k: files.parse_json(v) for k, v in metadata.items()})
    except (SafetensorError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no weights of duralava: {error}") from error
    if checksum is None:
        warnings.warn(
            f"{path} has no checksum; damage to it would not be noticed", stacklevel=3
        )
    if path.parent != pretrained.FOLDER:  # whose files fit, a test says
        models.check_fit(flat, config=described["config"], source=path)
    leaves = {name: leaf.astype(np.float32) for name, leaf in flat.items()}
    # Placed on the device once, not whenever a program is called.
    lamp = jax.device_put(Lamp(trees.nested(leaves), **described))
    return _checked(lamp, path)


def _checked(lamp: Lamp, path: pathlib.Path) -> Lamp:
    """Returns a lamp whose weights are all finite.

    Raises:
      ValueError: some are not.
    """
    broken = [
        name
        for name, leaf in trees.named_leaves(lamp.params).items()
        if not np.isfinite(np.asarray(leaf)).all()
    ]
    if broken:
        more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
        raise ValueError(
            f"weights in {path} are not finite: {', '.join(broken[:3])}{more}"
        )
    return lamp


def _checksum(flat: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Returns a hash of weights by name, and of all that describes them."""
    digest = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for name, leaf in sorted(flat.items()):
        digest.update(f"{name} {leaf.dtype} {leaf.shape}".encode())
        digest.update(np.ascontiguousarray(leaf))
    return digest.hexdigest()


def _described(metadata: dict[str, Any]) -> dict[str, Any]:
    """Returns all of a `Lamp` but its parameters."""
    if "config" in metadata:  # as files were written before config format 2
        training = from_dict(Config, metadata["config"])
        return {
            "config": training.model,
            "steps_per_second": training.data.steps_per_second,
            "training": training,
        }
    training = metadata.get("training")
    return {
        "config": from_dict(ModelConfig, with_generator(metadata["model"])),
        "steps_per_second": float(metadata["steps_per_second"]),
        "training": None if training is None else from_dict(Config, training),
    }
