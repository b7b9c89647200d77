"""Fits a dense transition to the rotation of a lamp: the same lamp, moved by a network.

  python experiments/distil_transition.py --output=lamp.safetensors

The lamp's rotation is the teacher: from latents of N(0, I) and from latents at which
the dense network itself arrives, the network learns to make the same step. So it needs
no film, and the teacher has no end of examples. (Compare Hinton et al. 2015,
"Distilling the knowledge in a neural network", and Ross et al. 2011 on learning in the
states that one's own steps lead to.) Terms of the loss:

- step: mean square of the error of a step, over that of the step itself.
- length: mean square of what a step changes in the mean square of a latent; a rotation
  changes nothing.
- normality: `losses.normality_penalty` of lamps that are carried from step to step, for
  longer and longer.

At the end, latents are replaced by an affine map of them, which gives them the mean and
covariance of N(0, I) in the long run (`corrections.whiten_latents`).
"""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from absl import flags

from duralava import command_line, draws, losses, models, weights
from duralava.config import ModelConfig
from duralava.training import corrections
from duralava.training.step import reset_some

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", weights.DEFAULT, "Shipped name, workdir or file of the teacher."
)
_OUTPUT = flags.DEFINE_string("output", None, "File of the weights to write.")
_STEPS = flags.DEFINE_integer("steps", 20_000, "Training steps.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of parameters and latents.", lower_bound=0)
flags.mark_flags_as_required(["output"])

_HIDDEN, _LAYERS = 512, 3
_FRESH, _CARRIED = 256, 256  # latents in a step
_ROLLOUT = 2  # steps of carried lamps
_RESETS = 1.0, 0.003  # share of them that starts anew, at the first step and the last
_LENGTH_WEIGHT, _NORMALITY_WEIGHT = 1.0, 0.02
_RATE, _WARMUP = 1e-3, 200
_LOG_EVERY = 500

Params = Any


def main(_: Sequence[str]) -> None:
    """Fits the network, and writes the lamp."""
    teacher = weights.load(_CHECKPOINT.value)
    if teacher.config.transition != "rotation":
        raise ValueError(f"{_CHECKPOINT.value} has no rotation")
    config = dataclasses.replace(
        teacher.config,
        transition="mlp",
        transition_hidden=_HIDDEN,
        transition_layers=_LAYERS,
    )
    params = fit(teacher.params["transition"], teacher.config, config)
    lamp = dataclasses.replace(
        teacher, params=teacher.params | {"transition": params}, config=config
    )
    lamp = corrections.whiten_latents(lamp, seed=_SEED.value, on_round=print)
    weights.save(_OUTPUT.value, lamp)
    print(f"wrote {_OUTPUT.value}")


def distillation_loss(
    params: Params,
    teacher: Params,
    fresh: jax.Array,
    carried: jax.Array,
    noise: jax.Array,
    *,
    teacher_config: ModelConfig,
    config: ModelConfig,
) -> tuple[jax.Array, tuple[dict[str, jax.Array], jax.Array]]:
    """Returns the loss f32[], its terms, and where the carried lamps arrive.

    Args:
      params: of the dense network.
      teacher: parameters of the rotation.
      fresh: latents f32[N, Z] of N(0, I).
      carried: latents f32[M, Z] of lamps that the dense network moves.
      noise: f32[T, M, Z] of their steps.
      teacher_config: of the rotation.
      config: of the dense network.
    """
    rotate = models.TRANSITIONS["rotation"].move(teacher, teacher_config)
    move = models.TRANSITIONS["mlp"].move(params, config)
    keep = (1 - config.refresh**2) ** 0.5
    starts, ends = [fresh], [move(fresh)]
    for some in noise:
        starts.append(jax.lax.stop_gradient(carried))
        ends.append(move(starts[-1]))
        carried = keep * ends[-1] + config.refresh * some
    before, after = jnp.concatenate(starts), jnp.concatenate(ends)
    target = jax.lax.stop_gradient(rotate(before))
    step = jnp.square(after - target).mean() / jnp.square(target - before).mean()
    growth = jnp.square(after).mean(axis=-1) - jnp.square(before).mean(axis=-1)
    length = jnp.square(growth).mean()
    normality, moments = losses.normality_penalty(jnp.stack(ends[1:]))
    loss = step + _LENGTH_WEIGHT * length + _NORMALITY_WEIGHT * normality
    terms = {"step": step, "length": length, "growth": growth.mean()}
    terms |= {"normality": normality, "std": moments["std"]}
    return loss, (terms, carried)


def fit(teacher: Params, teacher_config: ModelConfig, config: ModelConfig) -> Params:
    """Returns the parameters of the dense network; prints the terms of its loss."""
    key = jax.random.key(_SEED.value)
    params = models.init_transition(key, config=config)
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, _RATE, min(_WARMUP, _STEPS.value // 2), _STEPS.value, _RATE / 100
    )
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))
    shape = (_CARRIED, config.latent_size)
    state = params, optimizer.init(params), jax.random.normal(key, shape)

    @jax.jit
    def step(state: Any, index: int) -> Any:
        params, moments, carried = state
        keys = jax.random.split(jax.random.fold_in(key, index), 3)
        resets = _RESETS[0] * (_RESETS[1] / _RESETS[0]) ** (index / _STEPS.value)
        carried = reset_some(carried, keys[0], probability=resets)
        gradient, (terms, carried) = jax.grad(distillation_loss, has_aux=True)(
            params,
            teacher,
            draws.normal(keys[1], (_FRESH, config.latent_size)),
            carried,
            draws.normal(keys[2], (_ROLLOUT, *shape)),
            teacher_config=teacher_config,
            config=config,
        )
        updates, moments = optimizer.update(gradient, moments, params)
        return (optax.apply_updates(params, updates), moments, carried), terms

    start = time.monotonic()
    for index in range(_STEPS.value):
        state, terms = step(state, index)
        if (index + 1) % _LOG_EVERY == 0 or index + 1 == _STEPS.value:
            text = ", ".join(f"{name} {float(x):.5f}" for name, x in terms.items())
            print(
                f"step {index + 1}, {time.monotonic() - start:.0f} s: {text}",
                flush=True,
            )
    return state[0]


if __name__ == "__main__":
    command_line.run(main)
