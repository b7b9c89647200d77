"""All networks of a lamp together: their parameters, and frames for display."""

import os
from typing import Any

import jax

from duralava.config import ModelConfig
from duralava.models.encoder import init_encoder
from duralava.models.generator import init_generator
from duralava.models.transition import init_transition
from duralava.trees import named_leaves


def init_networks(key: jax.Array, *, config: ModelConfig, with_encoder: bool) -> Any:
    """Returns fresh parameters `{generator, transition[, encoder]}`."""
    generator_key, transition_key, encoder_key = jax.random.split(key, 3)
    params = {
        "generator": init_generator(generator_key, config=config),
        "transition": init_transition(transition_key, config=config),
    }
    if with_encoder:
        params["encoder"] = init_encoder(encoder_key, config=config)
    return params


def with_fresh_parts(params: Any, fresh: Any) -> Any:
    """Returns parameters for a run whose networks have another flow, or none.

    A transition moves latents as its flow has them. Where the flow differs, generator
    and encoder are kept, and flow and transition are fresh ones.

    Args:
      params: `{generator, transition[, encoder]}`.
      fresh: the same of the run, arrays or shapes.
    """
    generator, fresh_generator = params["generator"], fresh["generator"]
    kept = {name: leaf for name, leaf in generator.items() if name != "flow"}
    shapes = [
        jax.tree.map(lambda leaf: leaf.shape, side.get("flow"))
        for side in (generator, fresh_generator)
    ]
    if shapes[0] == shapes[1]:
        return params
    if "flow" in fresh_generator:
        kept["flow"] = fresh_generator["flow"]
    return params | {"generator": kept, "transition": fresh["transition"]}


def check_fit(
    params: Any,
    *,
    config: ModelConfig,
    source: str | os.PathLike[str],
    with_encoder: bool | None = None,
) -> Any:
    """Checks that parameters are those of the networks of `config`.

    Args:
      params: `{generator, transition[, encoder]}`, a tree or a dict with names as
        `named_leaves` gives them; leaves have a shape.
      config: shape of the networks.
      source: where the parameters come from, for the message.
      with_encoder: whether they must hold an encoder; None where both is right.

    Returns:
      The tree of such parameters, of shapes and types.

    Raises:
      ValueError: parameters are missing, unknown or have other shapes; the message
        names them. Or there are no networks of this config.
    """
    found = {name: tuple(leaf.shape) for name, leaf in named_leaves(params).items()}
    if with_encoder is None:
        with_encoder = any(name.startswith("encoder/") for name in found)
    try:
        expected = jax.eval_shape(
            lambda: init_networks(
                jax.random.key(0), config=config, with_encoder=with_encoder
            )
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(
            f"the config of {source} describes no networks: {error}"
        ) from error
    shapes = {name: leaf.shape for name, leaf in named_leaves(expected).items()}
    differing = [
        f"{name} {_text(found.get(name))} instead of {_text(shapes.get(name))}"
        for name in sorted(shapes | found)
        if found.get(name) != shapes.get(name)
    ]
    if differing:
        more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise ValueError(
            f"parameters in {source} do not fit their config: "
            f"{', '.join(differing[:5])}{more}"
        )
    return expected


def _text(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else str(list(shape))
