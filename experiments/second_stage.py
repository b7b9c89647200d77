"""Second stage: fits a flow and a transition to the codes of a film.

  python experiments/second_stage.py --checkpoint=FIRST --output=lamp.safetensors

The lamp FIRST has an encoder. Encoder and generator stay as they are; the whole film is
encoded once, and what remains are small networks on 64 values, so that some minutes of
two processor cores are enough. First the flow alone learns the density of the codes
(Dai and Wipf 2019, `models.flow`). Then flow and transition learn together:

- density: the mean of -log p of codes, per value.
- error: the distance of a rollout from the film, in grey levels.
- motion: how far a rollout moves in some steps, compared with the film, in grey levels.

Grey levels are those of small frames, to first order: codes are multiplied by the root
of the mean of J^T J, with J the Jacobian of the generator.

What cannot be foreseen is learned as less motion. At the end, all angles of a rotation
are therefore multiplied by one factor, so that generated frames change as much in a
second as those of the film.

A transition of the kind `mlp` keeps N(0, I) only if it learns to. Two terms of lamps
that are carried from step to step, for longer and longer, train that:

- normality: `losses.normality_penalty` of their latents.
- far motion: how much more or less they move than the film, in grey levels.

At the end, its latents are replaced by an affine map of them, which gives them the mean
and covariance of N(0, I) in the long run.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

from duralava import command_line, losses, models, weights
from duralava.config import ModelConfig
from duralava.datasets import DATA_DIR, clips
from duralava.lamp import Lamp
from duralava.training.step import reset_some

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Weights of the first stage.")
_OUTPUT = flags.DEFINE_string("output", None, "File of the weights to write.")
_DATASET = flags.DEFINE_string(
    "dataset", "simulated_lava_lamp/10h", "The film that FIRST has learned."
)
_DATA_DIR = flags.DEFINE_string("data_dir", DATA_DIR, "Folder of prepared data sets.")
_TRANSITION = flags.DEFINE_enum(
    "transition", "rotation", list(models.TRANSITIONS), "Kind of the transition."
)
_DENSITY_STEPS = flags.DEFINE_integer(
    "density_steps", 3_000, "Steps in which the flow learns alone.", lower_bound=1
)
_JOINT_STEPS = flags.DEFINE_integer(
    "joint_steps", 8_000, "Steps in which both learn.", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Of parameters and batches.", lower_bound=0)
flags.mark_flags_as_required(["checkpoint", "output"])

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
_CODES, _CLIPS = 512, 96  # in a step
_ROLLOUT = 20  # steps, or fewer of a short film
_DENSITY_WEIGHT = 60.0
_NEAR = 5.0  # errors of later steps count less: they cannot be foreseen
_MOTIONS = {1: 2.0, 5: 0.7}  # weights by the number of steps
_NORMALITY_WEIGHT = 100.0
_CARRIED = 256  # lamps
_RESETS = 0.5, 0.005  # share of them that starts anew, at the first step and the last
_GRID = 16  # height and width of the small frames, pixels
_SAMPLES = 96  # codes at which Jacobians are computed
_STEP = 0.1  # of their differences
_LAMPS, _ROUNDS = 512, 4  # to match the motion, or to whiten latents
_MOST_LONGEST = 0.01  # share of latents that the transition has had to shorten
_MOMENTS, _SPACING = 40, 100  # at which latents are taken to whiten them; steps
_LOG_EVERY = 500

Params = Any


class Batch(NamedTuple):
    """Codes f32[N, Z] of any frames, and of clips f32[T, B, Z]."""

    codes: jax.Array
    clips: jax.Array


def main(_: Sequence[str]) -> None:
    """Fits both, and writes the lamp."""
    first = weights.load(_CHECKPOINT.value)
    if not first.has_encoder:
        raise ValueError(f"{_CHECKPOINT.value} has no encoder")
    first = dataclasses.replace(
        first, config=dataclasses.replace(first.config, **_FIRST)
    )
    config = dataclasses.replace(first.config, transition=_TRANSITION.value, **_SHAPE)
    films = {
        split: clips.load_film(_DATASET.value, _DATA_DIR.value, split)
        for split in ("train", "test")
    }
    codes = {split: encode_film(first, film) for split, film in films.items()}
    key = jax.random.key(_SEED.value)
    fresh = models.init_networks(key, config=config, with_encoder=False)
    params = {
        "flow": fresh["generator"]["flow"],
        "transition": fresh["transition"],
    }
    roots = picture_metric(first, codes["train"])
    count = _CARRIED if config.transition == "mlp" else 0
    carried = jax.random.normal(jax.random.fold_in(key, 0), (count, config.latent_size))
    for density_only, num_steps, rate in (
        (True, _DENSITY_STEPS.value, 1.5e-3),
        (False, _JOINT_STEPS.value, 1e-3),
    ):
        loss = functools.partial(
            second_stage_loss, roots=roots, config=config, density_only=density_only
        )
        params = fit(
            params, loss, codes, carried, num_steps=num_steps, learning_rate=rate
        )
    generator = first.params["generator"] | {"flow": params["flow"]}
    lamp = dataclasses.replace(
        first,
        params=first.params
        | {"generator": generator, "transition": params["transition"]},
        config=config,
    )
    if config.transition == "rotation":
        lamp = match_motion(lamp, films["train"])
    else:
        lamp = whiten_latents(lamp)
    weights.save(_OUTPUT.value, lamp)
    print(f"wrote {_OUTPUT.value}")


def encode_film(lamp: Lamp, film: clips.Film) -> np.ndarray:
    """Returns the mean codes of segments f32[S, T, Z], a model step apart.

    The same segments follow mirrored.

    Raises:
      ValueError: the segments are too short.
    """
    stride = round(film.fps / lamp.steps_per_second)
    num_steps = min(len(segment) for segment in film.segments()) // stride
    least = max(_MOTIONS) + 1
    if num_steps < least:
        raise ValueError(f"segments have {num_steps} steps; {least} are needed")
    return np.stack(
        [
            np.asarray(lamp.encode(segment[start::stride][:num_steps, :, ::side]))
            for side in (1, -1)
            for segment in film.segments()
            for start in range(stride)
        ]
    )


def picture_metric(lamp: Lamp, codes: np.ndarray) -> jax.Array:
    """Returns f32[Z, Z]: differences of codes times it have lengths in grey levels.

    Lengths are root mean squares over the values of small frames.
    """
    flat = codes.reshape(-1, codes.shape[-1])
    chosen = flat[:: len(flat) // _SAMPLES][:_SAMPLES]

    def small_frames(codes: jax.Array) -> jax.Array:
        frames = models.generate(lamp.params["generator"], codes, config=lamp.config)
        return 127.5 * models.shrink(frames, _GRID).reshape(len(codes), -1)

    def column(direction: jax.Array) -> jax.Array:
        # The generator's convolutions have no forward-mode derivative.
        ahead, behind = (
            small_frames(chosen + step * direction) for step in (_STEP, -_STEP)
        )
        return (ahead - behind) / (2 * _STEP)

    jacobians = jax.jit(functools.partial(jax.lax.map, column))(jnp.eye(flat.shape[-1]))
    square = jnp.einsum("inp,jnp->ij", jacobians, jacobians)
    values, vectors = np.linalg.eigh(square / jacobians[0].size)
    return jnp.asarray(vectors * np.sqrt(np.maximum(values, 0)), jnp.float32)


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
    _, log_density = latents_of(noisy(batch.codes, code_key))
    density = -log_density.mean() / config.latent_size
    if density_only:
        return density, ({"density": density}, carried)
    start, _ = latents_of(noisy(batch.clips[0], start_key))
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
    errors = lengths(found - film)[1:].mean(axis=1)
    error = jnp.mean(errors / (1 + steps / _NEAR))
    motion = sum(
        weight * jnp.abs(moved(found, count) - moved(film, count)).mean()
        for count, weight in _MOTIONS.items()
    )
    terms = {"density": density, "error": error, "motion": motion}
    terms |= {f"error after {n}": errors[n - 1] for n in (1, 5, len(errors))}
    terms |= {
        f"motion over film's, {n}": moved(found, n).mean() / moved(film, n).mean()
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
            weight * jnp.abs(moved(found, count).mean() - moved(film, count).mean())
            for count, weight in _MOTIONS.items()
        )
        terms |= {"normality": normality, "std": moments["std"]}
        terms |= {"far motion": far_motion}
        loss += _NORMALITY_WEIGHT * normality + far_motion
    return loss, (terms, carried)


def match_motion(lamp: Lamp, film: clips.Film) -> Lamp:
    """Returns a lamp with angles for which its frames change as much as a film."""
    count = round(lamp.steps_per_second)
    stride = round(film.fps)
    pairs = [(s[:-stride:stride], s[stride::stride]) for s in film.segments()]
    target = np.mean([mean_change(*pair) for pair in pairs])
    state = lamp.start(_SEED.value, count=_LAMPS)
    for _ in range(_ROUNDS):
        _, latents = lamp.rollout(*state, num_steps=count + 1)
        change = mean_change(lamp.generate(latents[0]), lamp.generate(latents[-1]))
        print(f"frames change {change / target:.3f} times as much as those of the film")
        lamp = with_larger_angles(lamp, target / change)
    return lamp


def mean_change(before: np.ndarray, after: np.ndarray) -> float:
    """Returns the mean difference of frames u8[N, H, W, 3] in grey levels."""
    return float(np.abs(np.subtract(after, before, dtype=np.int16)).mean())


def with_larger_angles(lamp: Lamp, scale: float) -> Lamp:
    """Returns a lamp whose rotation turns by angles nearly `scale` times as large.

    The last layer of the networks that compute the angles is multiplied.
    """
    transition = lamp.params["transition"]
    last = max(transition["turn"])
    layer = jax.tree.map(lambda leaf: scale * leaf, transition["turn"][last])
    transition = transition | {"turn": transition["turn"] | {last: layer}}
    return dataclasses.replace(lamp, params=lamp.params | {"transition": transition})


def whiten_latents(lamp: Lamp) -> Lamp:
    """Returns a lamp whose latents have nearly mean 0 and covariance I in the long run.

    Its transition is a residual dense network, which takes in an affine map of latents.

    Raises:
      FloatingPointError: latents diverge.
    """
    for _ in range(_ROUNDS):
        state = lamp.start(_SEED.value, count=_LAMPS)
        found = []
        for _ in range(_MOMENTS):
            latents, _ = lamp.rollout(*state, num_steps=_SPACING)
            state = state._replace(latents=latents, step=state.step + _SPACING)
            found.append(np.asarray(latents, np.float64))
        latents = np.concatenate(found[1:])
        longest = 0.99 * models.longest_latent(latents.shape[-1])
        shorter = np.linalg.norm(latents, axis=-1) < longest  # false for no number
        if 1 - shorter.mean() > _MOST_LONGEST:
            raise FloatingPointError(
                "latents diverge: the transition needs more --joint_steps to learn to "
                "keep them normal"
            )
        mean, covariance = latents.mean(axis=0), np.cov(latents, rowvar=False)
        print(
            f"latents have means up to {np.abs(mean).max():.3f} and deviations from "
            f"{latents.std(axis=0).min():.3f} to {latents.std(axis=0).max():.3f}"
        )
        lamp = in_other_latents(lamp, mean, np.linalg.cholesky(covariance))
    return lamp


def in_other_latents(lamp: Lamp, mean: np.ndarray, scale: np.ndarray) -> Lamp:
    """Returns the lamp z whose transition is that of the lamp `scale` z + `mean`.

    With T(x) = x + f(x), it is z + `scale`^-1 f(`scale` z + `mean`). This holds for all
    latents that neither of the two transitions shortens.

    Args:
      lamp: with a transition of the kind `mlp`.
      mean: f[Z].
      scale: f[Z, Z], invertible.
    """
    transition = dict(lamp.params["transition"])
    first, last = min(transition), max(transition)
    layer = transition[first]
    transition[first] = {
        "kernel": scale.T @ layer["kernel"],
        "bias": mean @ layer["kernel"] + layer["bias"],
    }
    inverse = np.linalg.inv(scale).T
    transition[last] = {name: leaf @ inverse for name, leaf in transition[last].items()}
    transition = jax.tree.map(jnp.float32, transition)
    return dataclasses.replace(lamp, params=lamp.params | {"transition": transition})


def noisy(codes: jax.Array, key: jax.Array) -> jax.Array:
    """Returns codes with the noise of a posterior."""
    return codes + _NOISE * jax.random.normal(key, codes.shape)


def lengths(x: jax.Array) -> jax.Array:
    """Returns lengths f32[...] of f32[..., Z], with a gradient at zero."""
    return jnp.sqrt(jnp.square(x).sum(axis=-1) + 1e-4)


def moved(x: jax.Array, count: int) -> jax.Array:
    """Returns how far x f32[T, B, Z] moves in `count` steps: f32[T - count, B]."""
    return lengths(x[count:] - x[:-count])


def fit(
    params: Params,
    loss: Callable[..., tuple[jax.Array, Any]],
    codes: dict[str, np.ndarray],
    carried: jax.Array,
    *,
    num_steps: int,
    learning_rate: float,
) -> Params:
    """Returns parameters that minimise a loss; prints its terms for test codes."""
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, learning_rate, min(100, num_steps // 2), num_steps, learning_rate / 100
    )
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=1e-3)
    )

    @jax.jit
    def step(state: Any, batch: Batch, key: jax.Array, resets: float) -> Any:
        params, moments, carried = state
        reset_key, key = jax.random.split(key)
        carried = reset_some(carried, reset_key, probability=resets)
        gradient, (_, carried) = jax.grad(loss, has_aux=True)(
            params, batch, carried, key
        )
        updates, moments = optimizer.update(gradient, moments, params)
        return optax.apply_updates(params, updates), moments, carried

    test = next(batches(codes["test"], seed=0, scale=4))
    measure = jax.jit(loss)
    state, start = (params, optimizer.init(params), carried), time.monotonic()
    for index, batch in zip(
        range(num_steps), batches(codes["train"], seed=_SEED.value), strict=False
    ):
        resets = _RESETS[0] * (_RESETS[1] / _RESETS[0]) ** (index / num_steps)
        state = step(state, batch, jax.random.key(index), resets)
        if (index + 1) % _LOG_EVERY == 0 or index + 1 == num_steps:
            _, (terms, _) = measure(state[0], test, state[2], jax.random.key(0))
            text = ", ".join(f"{name} {float(x):.3f}" for name, x in terms.items())
            seconds = time.monotonic() - start
            print(f"step {index + 1}, {seconds:.0f} s: {text}", flush=True)
    return state[0]


def batches(codes: np.ndarray, *, seed: int, scale: int = 1) -> Iterator[Batch]:
    """Yields random codes and clips of segments f32[S, T, Z], without end."""
    rng = np.random.default_rng(seed)
    flat = codes.reshape(-1, codes.shape[-1])
    num_segments, num_frames, _ = codes.shape
    rollout = min(_ROLLOUT, num_frames - 1)
    while True:
        segments = rng.integers(0, num_segments, scale * _CLIPS)
        starts = rng.integers(0, num_frames - rollout, scale * _CLIPS)
        moments = starts + np.arange(rollout + 1)[:, None]
        yield Batch(
            flat[rng.integers(0, len(flat), scale * _CODES)], codes[segments, moments]
        )


if __name__ == "__main__":
    command_line.run(main)
