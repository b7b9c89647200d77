"""Second stage: fits a flow and a transition to the codes of a film.

Encoder and generator stay as they are. The whole film is encoded once, and what remains
are small networks on 64 values, so that some minutes of two processor cores are enough.
First the flow alone learns the density of the codes (Dai and Wipf 2019, `models.flow`),
from that of a normal distribution with their mean and covariance on.
Then flow and transition learn together:

- density: the mean of -log p of codes, per value.
- error: the distance of a rollout from the film, in grey levels.
- motion: how far a rollout moves in some steps, compared with the film, in grey levels.

Grey levels are those of small frames (`codes.picture_metric`). The last tenth of each
segment of the film is not learned: where the loss of its codes rises, training goes
back, with a lower rate. A short film has too few states for all of a flow: if this
happened to the flow alone, it stays as it is, and the transition learns alone.

A transition of the kind `mlp` keeps N(0, I) only if it learns to. Two terms of lamps
that are carried from step to step, for longer and longer, train that:

- normality: `losses.normality_penalty` of their latents.
- far motion: how much more or less they move than the film, in grey levels.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from duralava import draws, losses, models
from duralava.config import ModelConfig
from duralava.datasets import clips
from duralava.lamp import Lamp
from duralava.training import codes as film_codes
from duralava.training import corrections
from duralava.training.codes import Batch
from duralava.training.step import reset_some

_SHAPE = {
    "flow_layers": 4,
    "flow_hidden": 128,
    "transition_layers": 4,
    "transition_hidden": 192,
    "refresh": 0.01,
}
# Of the first stage: codes are not those of a flow that it may have.
_FIRST = {"flow_layers": 0, "convolution_dtype": "float32", "critic_dtype": "float32"}
_NOISE = 0.05  # standard deviation of codes, the least that encoders learn
_RATES = 1.5e-3, 1e-3  # of the flow alone, and of both
_WARMUP = 100  # steps
_AVERAGED = 0.98  # share of the average of parameters that stays in a step
_LAST_RATE = 0.01  # share of the rate at the last step
_DENSITY_WEIGHT = 60.0
_NEAR = 5.0  # errors of later steps count less: they cannot be foreseen
_MOTIONS = {1: 2.0, 5: 0.7}  # weights by the number of steps
_NORMALITY_WEIGHT = 100.0
_CARRIED = 256  # lamps
_RESETS = 0.5, 0.005  # share of them that starts anew, at the first step and the last
_TIMED = 10  # steps
_CHECK_EVERY, _TELL_EVERY = 50, 500  # steps
_PATIENCE = 250  # steps without a better fit, after which the rate is lower
_SCALE, _SMALLEST_SCALE = 0.2, 0.01  # of the rate
_LEAST = max(_MOTIONS) + 1  # steps that are checked

Params = Any


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long flow and transition are trained.

    Attributes:
      density_steps: steps in which the flow learns alone.
      joint_steps: steps in which both learn.
      seconds: if they take longer, there are fewer steps. The flow alone gets a third
        of the time, or less where it ends early.
    """

    density_steps: int = 3_000
    joint_steps: int = 8_000
    seconds: float = math.inf


def train_second_stage(
    first: Lamp,
    film: clips.Film,
    *,
    transition: str = "rotation",
    schedule: Schedule = Schedule(),
    seed: int = 0,
    mirrored: bool = False,
    on_share: Callable[[float], Any] = lambda share: None,
    on_line: Callable[[str], Any] = lambda line: None,
    stops: Callable[[], bool] = lambda: False,
) -> Lamp:
    """Returns a lamp with a flow and a transition that suit the codes of a film.

    At the end, a rotation is made to move as fast as the film, and the latents of an
    `mlp` are whitened (`corrections`).

    Args:
      first: lamp with an encoder; its generator and encoder are kept.
      film: that it has learned, of the size of its training frames.
      transition: kind of the transition.
      schedule: how long both are trained.
      seed: of fresh parameters, batches and noise.
      mirrored: whether mirror images of the film are learned too.
      on_share: called with how far the training is, 0 to 1.
      on_line: called with lines of text: terms, and what is corrected at the end.
      stops: asked after each step; once it is true, no more steps are made.

    Raises:
      ValueError: the lamp has no encoder, or the film is too short.
      FloatingPointError: lamps of an `mlp` diverge.
    """
    first.check_encoder()
    first = dataclasses.replace(
        first, config=dataclasses.replace(first.config, **_FIRST)
    )
    config = dataclasses.replace(first.config, transition=transition, **_SHAPE)
    codes = film_codes.encode_film(first, film, mirrored=mirrored, least=2 * _LEAST)
    checked = max(_LEAST, codes.shape[1] // 10)
    data = _Data(codes[:, :-checked], codes[:, -checked:])
    key = jax.random.key(seed)
    flat = data.learned.reshape(-1, config.latent_size).astype(np.float64)
    covariance = np.cov(flat, rowvar=False) + _NOISE**2 * np.eye(config.latent_size)
    fresh = models.init_normal_flow(
        jax.random.fold_in(key, 1), flat.mean(axis=0), covariance, config=config
    )
    count = _CARRIED if transition == "mlp" else 0
    carried = jax.random.normal(jax.random.fold_in(key, 0), (count, config.latent_size))
    loss = functools.partial(
        second_stage_loss,
        roots=film_codes.picture_metric(first, codes),
        config=config,
    )
    begun = time.monotonic()
    flow, flow_learns_on = _fit(
        fresh,
        lambda flow, *rest: loss({"flow": flow}, *rest, density_only=True),
        data,
        carried,
        num_steps=schedule.density_steps,
        seconds=schedule.seconds / 3,
        rate=_RATES[0],
        seed=seed,
        on_share=lambda share: on_share(share / 3),
        on_line=on_line,
        stops=stops,
    )
    params = {"transition": models.init_transition(key, config=config)}
    fixed = {} if flow_learns_on else {"flow": flow}
    if flow_learns_on:
        params["flow"] = flow
    params, _ = _fit(
        params,
        lambda params, *rest: loss(params | fixed, *rest, density_only=False),
        data,
        carried,
        num_steps=schedule.joint_steps,
        seconds=schedule.seconds - (time.monotonic() - begun),
        rate=_RATES[1],
        seed=seed,
        on_share=lambda share: on_share((1 + 2 * share) / 3),
        on_line=on_line,
        stops=stops,
    )
    params |= fixed
    generator = first.params["generator"] | {"flow": params["flow"]}
    networks = {"generator": generator, "transition": params["transition"]}
    lamp = dataclasses.replace(first, params=first.params | networks, config=config)
    if transition == "mlp":
        return corrections.whiten_latents(lamp, seed=seed, on_round=on_line)
    return corrections.match_motion(lamp, film, seed=seed, on_round=on_line)


def second_stage_loss(
    params: Params,
    batch: Batch,
    carried: jax.Array,
    key: jax.Array,
    *,
    roots: jax.Array,
    config: ModelConfig,
    density_only: bool,
) -> tuple[jax.Array, tuple[dict[str, jax.Array], jax.Array]]:
    """Returns the loss f32[], its terms, and the carried latents after the rollout.

    Args:
      params: `{flow, transition}`.
      batch: codes of film.
      carried: latents f32[N, Z] that the transition has to keep normal; none for one
        that does so by its construction.
      key: of the noise.
      roots: of `picture_metric`.
      config: of the networks.
      density_only: whether the transition is left out.
    """
    code_key, start_key, rollout_key, carried_key = jax.random.split(key, 4)
    latents_of = functools.partial(
        models.latents_of, {"flow": params["flow"]}, config=config
    )
    _, log_density = latents_of(_noisy(batch.codes, code_key))
    density = -log_density.mean() / config.latent_size
    if density_only:
        return density, ({"density": density}, carried)
    start, _ = latents_of(_noisy(batch.clips[0], start_key))
    rollout = functools.partial(
        models.rollout,
        params["transition"],
        start_step=0,
        num_steps=len(batch.clips),
        config=config,
    )
    _, latents = rollout(start, rollout_key)
    codes = models.codes_of({"flow": params["flow"]}, latents, config=config)
    found, film = codes @ roots, batch.clips @ roots
    steps = jnp.arange(1, len(film))
    errors = _lengths(found - film)[1:].mean(axis=1)
    error = jnp.mean(errors / (1 + steps / _NEAR))
    motion = sum(
        weight * jnp.abs(_moved(found, count) - _moved(film, count)).mean()
        for count, weight in _MOTIONS.items()
    )
    terms = {"density": density, "error": error, "motion": motion}
    terms |= {f"error after {n}": errors[n - 1] for n in (1, 5, len(errors))}
    terms |= {
        f"motion over film's, {n}": _moved(found, n).mean() / _moved(film, n).mean()
        for n in _MOTIONS
    }
    loss = _DENSITY_WEIGHT * density + error + motion
    if len(carried):
        carried, latents = rollout(carried, carried_key)
        normality, moments = losses.normality_penalty(latents)
        # The flow must not adapt to latents that are not normal.
        flow = {"flow": jax.lax.stop_gradient(params["flow"])}
        found = models.codes_of(flow, latents, config=config) @ roots
        far_motion = sum(
            weight * jnp.abs(_moved(found, count).mean() - _moved(film, count).mean())
            for count, weight in _MOTIONS.items()
        )
        terms |= {"normality": normality, "std": moments["std"]}
        terms |= {"far motion": far_motion}
        loss += _NORMALITY_WEIGHT * normality + far_motion
    return loss, (terms, carried)


class _Data(NamedTuple):
    """Codes of film f32[S, T, Z]: those that are learned, and others to check with."""

    learned: np.ndarray
    checked: np.ndarray


class _State(NamedTuple):
    """Parameters, their average, moments of the optimiser, carried latents."""

    params: Params
    average: Params
    moments: Any
    carried: jax.Array


def _fit(
    params: Params,
    loss: Callable[..., tuple[jax.Array, Any]],
    data: _Data,
    carried: jax.Array,
    *,
    num_steps: int,
    seconds: float,
    rate: float,
    seed: int,
    on_share: Callable[[float], Any],
    on_line: Callable[[str], Any],
    stops: Callable[[], bool],
) -> tuple[Params, bool]:
    """Returns the averaged parameters with the smallest loss for checked codes.

    The parameters after a step are noisy, so those of the last steps are averaged. If
    the loss of the average does not fall for long, training goes back to the best one,
    with a smaller rate, a few times, and then ends. The second result is whether it
    never had to.
    """
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.scale_by_adam(),
        optax.add_decayed_weights(1e-3),
    )

    @jax.jit
    def step(
        state: _State, batch: Batch, index: int, share: float, scale: float
    ) -> _State:
        params, average, moments, carried = state
        reset_key, key = jax.random.split(jax.random.key(index))
        resets = _RESETS[0] * (_RESETS[1] / _RESETS[0]) ** share
        carried = reset_some(carried, reset_key, probability=resets)
        gradient, (_, carried) = jax.grad(loss, has_aux=True)(
            params, batch, carried, key
        )
        updates, moments = optimizer.update(gradient, moments, params)
        now = scale * rate * jnp.minimum(1.0, (index + 1) / _WARMUP) * _cosine(share)
        updates = jax.tree.map(lambda leaf: -now * leaf, updates)
        params = optax.apply_updates(params, updates)
        stays = jnp.minimum(_AVERAGED, index / (index + 1.0))
        average = optax.incremental_update(params, average, 1 - stays)
        return _State(params, average, moments, carried)

    measure = jax.jit(loss)
    check = next(film_codes.batches(data.checked, seed=0, scale=4))
    learned = film_codes.batches(data.learned, seed=seed)
    state = _State(params, params, optimizer.init(params), carried)
    if math.isfinite(seconds):
        pace = _seconds_per_step(lambda: step(state, next(learned), 0, 0.0, 1.0))
        num_steps = max(1, min(num_steps, int(seconds / pace)))
    best, last_change, scale = params, 0, 1.0
    best_loss, _ = measure(params, check, carried, jax.random.key(0))
    for index, batch in zip(range(num_steps), learned, strict=False):
        if stops():
            break
        state = step(state, batch, index, index / num_steps, scale)
        done = index + 1
        on_share(done / num_steps)
        if done % _CHECK_EVERY and done < num_steps:
            continue
        found, (terms, _) = measure(
            state.average, check, state.carried, jax.random.key(0)
        )
        if done % _TELL_EVERY == 0 or done == num_steps:
            on_line(f"step {done} of {num_steps}: {_text(terms)}")
        if found < best_loss:
            best, best_loss, last_change = state.average, found, done
        elif done - last_change >= _PATIENCE:
            if scale <= _SMALLEST_SCALE:
                break
            scale, last_change = scale * _SCALE, done
            state = _State(best, best, optimizer.init(best), state.carried)
            on_line(f"step {done} of {num_steps}: back to the best, with a lower rate")
    return best, scale == 1.0


def _cosine(share: jax.Array) -> jax.Array:
    return _LAST_RATE + (1 - _LAST_RATE) * (1 + jnp.cos(jnp.pi * share)) / 2


def _seconds_per_step(step: Callable[[], Any]) -> float:
    jax.block_until_ready(step())  # compiles
    start = time.monotonic()
    for _ in range(_TIMED):
        jax.block_until_ready(step())
    return (time.monotonic() - start) / _TIMED


def _text(terms: Mapping[str, jax.Array]) -> str:
    return ", ".join(f"{name} {float(value):.3f}" for name, value in terms.items())


def _noisy(codes: jax.Array, key: jax.Array) -> jax.Array:
    """Returns codes with the noise of a posterior."""
    return codes + _NOISE * draws.normal(key, codes.shape)


def _lengths(x: jax.Array) -> jax.Array:
    """Returns lengths f32[...] of f32[..., Z], with a gradient at zero."""
    return jnp.sqrt(jnp.square(x).sum(axis=-1) + 1e-4)


def _moved(x: jax.Array, count: int) -> jax.Array:
    """Returns how far x f32[T, B, Z] moves in `count` steps: f32[T - count, B]."""
    return _lengths(x[count:] - x[:-count])
