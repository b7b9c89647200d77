"""The critics' part of a step: one for single frames, one for short clips.

The still critic compares windows of independent frames of film with windows generated
from as many latents. The motion critic compares clips of a few small frames with parts
of rollouts. Each is trained as R3GAN (Huang et al. 2024) trains its discriminator: a
relativistic loss, and zero-centred gradient penalties on real and generated pictures.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from duralava import draws, losses, models
from duralava.config import Config
from duralava.datasets.clips import Batch
from duralava.training.gradients import (
    AdversarialGradients,
    Metrics,
    Params,
    of_logits,
    zeros_like,
)


class Critic(NamedTuple):
    """A critic; its weights and its learning rate are fields named after it.

    Attributes:
      init: (key, config) -> fresh parameters.
      score: (parameters, pictures f32[N, ...], conditions f32[N] each, config) ->
        logits f32[N].
      pairs: (generator, batch, trajectory, key, config) -> `Pairs`.
      group: (config) -> number of consecutive pictures that are scored together.
    """

    init: Callable[[jax.Array, Config], Params]
    score: Callable[[Params, jax.Array, Any, Config], jax.Array]
    pairs: Callable[[Params, Batch, jax.Array, jax.Array, Config], "Pairs"]
    group: Callable[[Config], int]


class Pairs(NamedTuple):
    """Pictures that a critic compares.

    Attributes:
      real: of the film, f32[N, ...].
      fake: generated under the same conditions, f32[N, ...].
      conditions: what the critic is told of each pair, f32[N] each.
      pull: gradients for the generator's parameters and for the latents of the
        trajectory f32[T, L, Z], from a gradient for `fake`.
    """

    real: jax.Array
    fake: jax.Array
    conditions: Any
    pull: Callable[[jax.Array], tuple[Params, jax.Array]]


def init_critics(key: jax.Array, config: Config) -> Params:
    """Returns fresh parameters of each critic with a weight, by its name."""
    keys = dict(zip(CRITICS, jax.random.split(key, len(CRITICS)), strict=True))
    return {
        name: CRITICS[name].init(keys[name], config)
        for name in config.loss.critic_names
    }


def gradients(
    generator: Params,
    discriminator: Params,
    step: jax.Array,
    batch: Batch,
    trajectory: jax.Array,
    key: jax.Array,
    *,
    config: Config,
) -> AdversarialGradients:
    """Gradients of all critics and of the generator, as `adversarial.Gradients`."""
    loss = config.loss
    learns = step >= loss.adversarial_start_step + loss.critic_lead_steps
    total = AdversarialGradients(
        generator=zeros_like(generator),
        trajectory=jnp.zeros_like(trajectory),
        discriminator={},
        metrics={},
    )
    for name, key_of_critic in zip(
        discriminator, jax.random.split(key, len(discriminator)), strict=True
    ):
        pairs = CRITICS[name].pairs(generator, batch, trajectory, key_of_critic, config)
        of_critic, of_fake, metrics = critic_gradients(
            name, discriminator[name], pairs, step, config=config
        )
        weight = loss.adversarial_weight * getattr(loss, f"{name}_weight")
        of_generator, of_trajectory = pairs.pull(weight * learns * of_fake)
        total = AdversarialGradients(
            generator=jax.tree.map(jnp.add, total.generator, of_generator),
            trajectory=total.trajectory + of_trajectory,
            discriminator=total.discriminator | {name: of_critic},
            metrics=total.metrics | metrics,
        )
    return total


def critic_gradients(
    name: str, critic: Params, pairs: Pairs, step: jax.Array, *, config: Config
) -> tuple[Params, jax.Array, Metrics]:
    """Gradients of the losses of one critic, from one forward pass of it.

    Args:
      name: key of `CRITICS`.
      critic: its parameters.
      pairs: pictures to compare.
      step: i32[], of the run.
      config: of the run.

    Returns:
      The gradient of the critic's loss for its parameters, that of the generator's loss
      for the generated pictures, and scalars by name.
    """
    loss = config.loss
    score = functools.partial(_score, name, config)
    real_logits, pull_real = jax.vjp(
        lambda params: score(params, pairs.real, pairs.conditions), critic
    )
    fake_logits, pull_fake = jax.vjp(
        lambda params, fake: score(params, fake, pairs.conditions), critic, pairs.fake
    )
    logits = losses.Logits(real_logits, fake_logits)
    (critic_loss, generator_loss), (for_critic, for_generator) = of_logits(
        logits, config=loss
    )
    penalty, penalty_gradient = jax.value_and_grad(
        lambda params: gradient_penalty(
            functools.partial(score, params),
            pairs,
            share=loss.critic_penalty_share,
            group=CRITICS[name].group(config),
        )
    )(critic)
    gamma = penalty_weight(name, step, config=config)
    of_critic = jax.tree.map(
        lambda real, fake, penalty: real + fake + gamma * penalty,
        pull_real(for_critic.real)[0],
        pull_fake(for_critic.fake)[0],
        penalty_gradient,
    )
    margin = real_logits - fake_logits
    return (
        of_critic,
        pull_fake(for_generator.fake)[1],
        {
            f"loss/{name}_critic": critic_loss,
            f"loss/{name}_generator": generator_loss,
            f"{name}/margin": margin.mean(),
            f"{name}/accuracy": jnp.mean(margin > 0),
            f"{name}/gradient_penalty": penalty,
            f"{name}/gradient_penalty_weight": gamma,
        },
    )


def gradient_penalty(
    score: Callable[[jax.Array, Any], jax.Array],
    pairs: Pairs,
    *,
    share: float,
    group: int,
) -> jax.Array:
    """Returns (R1 + R2) / 2 of a part of the pairs, f32[].

    Args:
      score: (pictures, conditions) -> logits.
      pairs: of pictures.
      share: of the pairs that are used; groups are spread evenly over all of them.
      group: number of consecutive pictures that are scored together.
    """
    num_groups = len(pairs.real) // group
    count = max(1, round(share * num_groups))
    every = num_groups // count

    def part(leaf: jax.Array) -> jax.Array:
        groups = leaf.reshape(num_groups, group, *leaf.shape[1:])
        chosen = groups[: every * count : every]
        return chosen.reshape(-1, *leaf.shape[1:])

    pictures = jnp.concatenate([part(pairs.real), part(pairs.fake)])
    conditions = jax.tree.map(
        lambda leaf: jnp.concatenate([part(leaf)] * 2), pairs.conditions
    )
    return losses.exact_gradient_penalty(
        lambda pictures: score(pictures, conditions),
        pictures,
        jnp.ones(len(pictures)),
    )


def penalty_weight(name: str, step: jax.Array, *, config: Config) -> jax.Array:
    """Returns gamma of gamma / 2 (R1 + R2) at a step: it falls along a cosine."""
    loss = config.loss
    schedule = optax.cosine_decay_schedule(
        getattr(loss, f"{name}_penalty_weight"),
        max(1, config.training.num_steps - loss.adversarial_start_step),
        loss.critic_penalty_scale,
    )
    return schedule(step - loss.adversarial_start_step)


def still_pairs(
    generator: Params,
    batch: Batch,
    trajectory: jax.Array,
    key: jax.Array,
    config: Config,
) -> Pairs:
    """Returns windows of film and of generated frames at the same places.

    Latents are of carried lamps at one moment of the trajectory, and fresh ones.
    """
    model = config.model
    latent_key, moment_key, augmentation_key = jax.random.split(key, 3)
    count = len(batch.windows)
    num_carried = config.loss.num_carried(count)
    fresh = draws.normal(latent_key, (count - num_carried, model.latent_size))
    moment = jax.random.randint(moment_key, (), 0, len(trajectory))
    places = models.Window(*batch.places.T)
    augment, flipped = augmentation(augmentation_key, count, config=config)

    def generate(generator: Params, trajectory: jax.Array) -> jax.Array:
        latents = jnp.concatenate([trajectory[moment, :num_carried], fresh])
        windows = models.generate(generator, latents, window=places, config=model)
        return augment(windows)

    fake, pull = jax.vjp(generate, generator, trajectory)
    mirrored = 1 - places.left - model.resolution * places.pixel
    return Pairs(
        real=augment(models.from_uint8(batch.windows)),
        fake=fake,
        conditions=places._replace(left=jnp.where(flipped, mirrored, places.left)),
        pull=pull,
    )


def motion_pairs(
    generator: Params,
    batch: Batch,
    trajectory: jax.Array,
    key: jax.Array,
    config: Config,
) -> Pairs:
    """Returns short clips of film and of rollouts with the same spacing.

    Pictures are f32[B, T, H, W, 3], conditions the seconds between frames.
    """
    loss, model = config.loss, config.model
    moments_key, augmentation_key = jax.random.split(key)
    spacing, moments = random_moments(
        moments_key, loss.motion_clips, num_steps=len(trajectory), config=config
    )
    lamps = jnp.arange(loss.motion_clips)
    augment, _ = augmentation(augmentation_key, loss.motion_clips, config=config)

    def small(frames: jax.Array) -> jax.Array:
        frames = augment(jnp.moveaxis(frames, 0, 1))
        return models.shrink(frames, model.motion_size)

    def generate(generator: Params, trajectory: jax.Array) -> jax.Array:
        latents = trajectory[moments, lamps]
        return small(models.generate(generator, latents, config=model))

    fake, pull = jax.vjp(generate, generator, trajectory)
    return Pairs(
        real=small(models.from_uint8(batch.clips[moments, lamps])),
        fake=fake,
        conditions=spacing / config.data.steps_per_second,
        pull=pull,
    )


def random_moments(
    key: jax.Array, count: int, *, num_steps: int, config: Config
) -> tuple[jax.Array, jax.Array]:
    """Returns spacing i32[B] and moments i32[T, B] of the frames of short clips.

    Spacing is from 1 to `motion_spacing`, log-uniform; clips are uniform in the steps.
    """
    loss = config.loss
    spacing_key, start_key = jax.random.split(key)
    most = loss.motion_spacing
    spacing = (most + 1.0) ** jax.random.uniform(spacing_key, (count,))
    spacing = jnp.clip(spacing.astype(jnp.int32), 1, most)
    last_start = num_steps - 1 - (loss.motion_frames - 1) * spacing
    start = jax.random.randint(start_key, (count,), 0, last_start + 1)
    return spacing, start + jnp.arange(loss.motion_frames)[:, None] * spacing


def augmentation(
    key: jax.Array, count: int, *, config: Config
) -> tuple[Callable[[jax.Array], jax.Array], jax.Array]:
    """Returns a random transform of each of N pictures, and which are mirrored.

    Pictures move by up to `adversarial_shift` pixels, their border pixels repeated, and
    half of them are mirrored if `critic_flip` is set. Without augmentation, critics
    overfit to the film, and to the grid of pixels (Karras et al. 2020).

    Returns:
      The transform of f32[N, ..., H, W, C], and bool[N].
    """
    loss, size = config.loss, config.model.resolution
    reach = loss.adversarial_shift
    shift_key, flip_key = jax.random.split(key)
    flipped = jax.random.bernoulli(flip_key, 0.5, (count,)) & loss.critic_flip
    if not reach and not loss.critic_flip:
        return lambda pictures: pictures, flipped
    # As matrix products, whose gradients are fast on every backend.
    shift = draws.integers(shift_key, (2, count, 1), least=-reach, end=reach + 1)
    source = jnp.clip(jnp.arange(size) - shift, 0, size - 1)
    rows, columns = jax.nn.one_hot(source, size)
    columns = jnp.where(flipped[:, None, None], columns[:, ::-1], columns)

    def transform(pictures: jax.Array) -> jax.Array:
        product = functools.partial(jnp.einsum, precision="highest")
        pictures = product("nij,n...jkc->n...ikc", rows, pictures)
        return product("nlk,n...ikc->n...ilc", columns, pictures)

    return transform, flipped


CRITICS = {
    "still": Critic(
        init=lambda key, config: models.init_still_critic(key, config=config.model),
        score=lambda params, windows, places, config: models.still_critic(
            params, windows, places, config=config.model
        ),
        pairs=still_pairs,
        group=lambda config: config.model.still_group,
    ),
    "motion": Critic(
        init=lambda key, config: models.init_motion_critic(
            key, num_frames=config.loss.motion_frames, config=config.model
        ),
        score=lambda params, clips, spacing, config: models.motion_critic(
            params, jnp.moveaxis(clips, 1, 0), spacing, config=config.model
        ),
        pairs=motion_pairs,
        group=lambda config: 1,
    ),
}
"""The critics by name."""


def _score(
    name: str, config: Config, params: Params, pictures: jax.Array, conditions: Any
) -> jax.Array:
    return CRITICS[name].score(params, pictures, conditions, config)
