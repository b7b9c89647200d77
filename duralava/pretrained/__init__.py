"""Weights for use: those that are shipped, and those that one has trained."""

import json
import os
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from duralava import files, models
from duralava.config import Config, from_dict, to_dict

_FOLDER = pathlib.Path(__file__).parent
DEFAULT = "simulated_64"


class Pretrained(NamedTuple):
    """Parameters `{generator, transition[, encoder]}` and the config of their run."""

    params: Any
    config: Config


def names() -> list[str]:
    """Returns the names of the shipped weights."""
    return sorted(path.stem for path in _FOLDER.glob("*.safetensors"))


def load(checkpoint: str | os.PathLike[str] = DEFAULT) -> Pretrained:
    """Loads weights by the name of shipped ones, from a file or a training's workdir.

    Args:
      checkpoint: one of `names()`, a `.safetensors` file of `save`, or a workdir, of
        which the latest checkpoint's averaged weights are taken.

    Raises:
      ValueError: nothing of that name, not weights of duralava, or parameters that
        are not those of their config; the message names them.
      OSError: a file cannot be read.
    """
    path = pathlib.Path(checkpoint)
    if path.suffix == ".safetensors":
        return _load_file(path)
    if path.is_dir():
        # Here, so that shipped weights load without importing orbax.
        from duralava import checkpoints

        return Pretrained(*checkpoints.load_averaged(path))
    shipped = _FOLDER / f"{path}.safetensors"
    if not shipped.is_file():
        raise ValueError(
            f"no checkpoint '{checkpoint}': neither a workdir, nor a .safetensors "
            f"file, nor one of the shipped {', '.join(names())}"
        )
    return _load_file(shipped)


def save(path: str | os.PathLike[str], pretrained: Pretrained) -> None:
    """Writes weights, in half precision, and their config to one `.safetensors` file.

    A half-precision weight is off by at most 1 part in 2,048; what must hold exactly,
    such as the orthogonality of a rotation, is computed from weights after loading.
    """
    flat = {
        name: np.asarray(leaf, np.float16)
        for name, leaf in named_leaves(pretrained.params).items()
    }
    metadata = {"config": json.dumps(to_dict(pretrained.config))}
    with files.written_whole(path) as partial:
        # As any file is written: `save_file` would let nobody else read it.
        partial.write_bytes(safetensors.numpy.save(flat, metadata))


def abstract_params(config: Config) -> Any:
    """Returns shapes and types of `{generator, transition[, encoder]}`."""
    return jax.eval_shape(
        lambda: models.init_lamp(
            jax.random.key(0),
            config=config.model,
            with_encoder=config.loss.uses_encoder,
        )
    )


def _load_file(path: pathlib.Path) -> Pretrained:
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config = from_dict(Config, json.loads(metadata["config"]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no weights of duralava: {error}") from error
    expected = abstract_params(config)
    check_shapes(named_leaves(expected), flat, source=path)
    leaves = [
        flat[name].astype(leaf.dtype) for name, leaf in named_leaves(expected).items()
    ]
    return Pretrained(jax.tree.unflatten(jax.tree.structure(expected), leaves), config)


def named_leaves(tree: Any) -> dict[str, Any]:
    """Returns the leaves of a tree in order, by names as `generator/Dense_0/bias`."""
    leaves, _ = jax.tree.flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in leaves
    }


def check_shapes(
    expected: dict[str, Any], found: dict[str, Any], *, source: str | os.PathLike[str]
) -> None:
    """Raises a ValueError that names the leaves whose shapes differ."""
    before, now = (
        {name: tuple(leaf.shape) for name, leaf in leaves.items()}
        for leaves in (expected, found)
    )
    differing = [
        f"{name} {_show(now.get(name))} instead of {_show(before.get(name))}"
        for name in sorted(before | now)
        if before.get(name) != now.get(name)
    ]
    if differing:
        more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise ValueError(
            f"parameters in {source} do not fit their config: "
            f"{', '.join(differing[:5])}{more}"
        )


def _show(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else str(list(shape))
