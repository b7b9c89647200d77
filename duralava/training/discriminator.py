"""The discriminator's part of a step: whole clips, with one network for them.

From the outside in: `on_random_window` cuts a window out of the clips,
`in_microbatches` takes some clips at a time, and `adversarial_gradients` computes the
gradients of both networks from one forward pass of the discriminator.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from duralava import losses, models
from duralava.config import Config
from duralava.datasets.clips import Batch
from duralava.training.gradients import (
    AdversarialGradients,
    Params,
    of_logits,
    zeros_like,
)

_FRAMES_IN_CACHE = 40  # activations of so many frames, on a CPU


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
    """Gradients from the clips of a batch, as `adversarial.Gradients`."""
    del step  # no weight depends on it
    shown = slice(batch.clips.shape[1])
    found = on_random_window(
        generator,
        discriminator,
        batch.clips,
        trajectory[:, shown],
        key,
        config=config,
    )
    whole = jnp.zeros_like(trajectory).at[:, shown].set(found.trajectory)
    return found._replace(trajectory=whole)


def on_random_window(
    generator: Params,
    discriminator: Params,
    clips: jax.Array,
    trajectory: jax.Array,
    key: jax.Array,
    *,
    config: Config,
) -> AdversarialGradients:
    """Adversarial gradients from one window of all clips, moved by some pixels.

    Real and generated clips are cut and moved alike. A window tells the discriminator
    as much as the whole clip; for the same compute, more clips show more lamps.

    Args:
      generator: parameters of `generate`.
      discriminator: parameters of `discriminate`.
      clips: film u8[T, B, H, W, 3].
      trajectory: latents of the generated clips, f32[T, B, Z].
      key: of the window, the shift and the gradient penalty.
      config: of the run.
    """
    loss, length = config.loss, len(clips)
    num_steps = loss.adversarial_steps or length
    start_key, shift_key = jax.random.split(jax.random.fold_in(key, 1))
    start = jax.random.randint(start_key, (), 0, length - num_steps + 1)
    shift = jax.random.randint(shift_key, (2,), 0, 2 * loss.adversarial_shift + 1)

    def window(whole: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice_in_dim(whole, start, num_steps)

    compute = functools.partial(
        adversarial_gradients, generator, discriminator, shift, config=config
    )
    gradients = in_microbatches(
        compute,
        window(clips),
        window(trajectory),
        key,
        size=config.training.clips_at_once,
    )
    return gradients._replace(
        trajectory=jax.lax.dynamic_update_slice_in_dim(
            jnp.zeros_like(trajectory), gradients.trajectory, start, axis=0
        )
    )


def in_microbatches(
    compute: Callable[[jax.Array, jax.Array, jax.Array], AdversarialGradients],
    clips: jax.Array,
    trajectory: jax.Array,
    key: jax.Array,
    *,
    size: int,
) -> AdversarialGradients:
    """Computes gradients for some of the clips at a time, and averages them.

    All adversarial losses are means over clips that are scored each by itself, so the
    average equals the gradients of the whole batch, while only the activations of one
    microbatch are in memory. On a CPU they then fit into its caches.

    Args:
      compute: (clips, trajectory, a key for each clip) -> gradients.
      clips: film u8[T, B, H, W, 3].
      trajectory: latents of the generated clips, f32[T, B, Z].
      key: of which each clip gets its own.
      size: clips of a microbatch, a divisor of B; 0 for as many as suit the machine.
    """
    # A key for each clip, so that microbatches change nothing but the order of sums.
    batch = clips, trajectory, jax.random.split(key, trajectory.shape[1])
    if size:
        return _in_groups(compute, *batch, size=size)
    size = _size_for_caches(*trajectory.shape[:2])
    return jax.lax.platform_dependent(
        *batch, cpu=functools.partial(_in_groups, compute, size=size), default=compute
    )


def _in_groups(
    compute: Callable[[jax.Array, jax.Array, jax.Array], AdversarialGradients],
    clips: jax.Array,
    trajectory: jax.Array,
    keys: jax.Array,
    *,
    size: int,
) -> AdversarialGradients:
    """Averages gradients over groups of `size` clips, see `in_microbatches`."""
    num_groups = trajectory.shape[1] // size
    if num_groups == 1:
        return compute(clips, trajectory, keys)

    def split(leaf: jax.Array) -> jax.Array:
        # Every nth clip, so that a microbatch is spread over devices as the batch is.
        split = leaf.reshape(leaf.shape[0], size, num_groups, *leaf.shape[2:])
        return jnp.moveaxis(split, 2, 0)

    def add(
        total: AdversarialGradients, group: tuple[jax.Array, ...]
    ) -> tuple[AdversarialGradients, jax.Array]:
        part = compute(*group)
        total = jax.tree.map(jnp.add, total, part._replace(trajectory=None))
        return total, part.trajectory

    groups = (split(clips), split(trajectory), split(keys[None])[:, 0])
    shapes = jax.eval_shape(compute, *jax.tree.map(lambda leaf: leaf[0], groups))
    zeros = zeros_like(shapes._replace(trajectory=None))
    total, gradients = jax.lax.scan(add, zeros, groups)
    total = total._replace(
        trajectory=jnp.moveaxis(gradients, 0, 2).reshape(trajectory.shape)
    )
    return jax.tree.map(lambda leaf: leaf / num_groups, total)


def adversarial_gradients(
    generator: Params,
    discriminator: Params,
    shift: jax.Array,
    clips: jax.Array,
    trajectory: jax.Array,
    keys: jax.Array,
    *,
    config: Config,
) -> AdversarialGradients:
    """Gradients of both networks from one forward pass of the discriminator.

    Args:
      generator: parameters of `generate`.
      discriminator: parameters of `discriminate`.
      shift: i32[2], pixels by which frames are moved, plus `adversarial_shift`.
      clips: film u8[T, B, H, W, 3].
      trajectory: latents of the generated clips, f32[T, B, Z].
      keys: a key for each clip, [B].
      config: of the run.
    """
    loss = config.loss
    real = shifted(models.from_uint8(clips), shift, reach=loss.adversarial_shift)

    def generate(generator: Params, trajectory: jax.Array) -> jax.Array:
        frames = models.generate(generator, trajectory, config=config.model)
        return shifted(frames, shift, reach=loss.adversarial_shift)

    fake, pull_generator = jax.vjp(generate, generator, trajectory)
    discriminate = functools.partial(models.discriminate, config=config.model)
    real_logits, pull_real = jax.vjp(
        lambda params: discriminate(params, real), discriminator
    )
    fake_logits, pull_fake = jax.vjp(discriminate, discriminator, fake)
    logits = losses.Logits(real_logits, fake_logits)
    (discriminator_loss, generator_loss), (for_discriminator, for_generator) = (
        of_logits(logits, config=loss)
    )

    penalty = jnp.zeros(())
    penalty_gradient = zeros_like(discriminator)
    if loss.gradient_penalty != "none":
        (penalty, direct), penalty_gradient = jax.value_and_grad(
            functools.partial(gradient_penalty, config=config), has_aux=True
        )(discriminator, logits, real, fake, keys)
        # The finite difference depends on D(clip) too: that part of the gradient goes
        # back through the forward pass that has been computed already.
        for_discriminator = jax.tree.map(jnp.add, for_discriminator, direct)

    discriminator_gradient = jax.tree.map(
        lambda *parts: sum(parts),
        pull_real(for_discriminator.real)[0],
        pull_fake(for_discriminator.fake)[0],
        penalty_gradient,
    )
    fake_gradient = loss.adversarial_weight * pull_fake(for_generator.fake)[1]
    generator_gradient, trajectory_gradient = pull_generator(fake_gradient)
    return AdversarialGradients(
        generator=generator_gradient,
        trajectory=trajectory_gradient,
        discriminator=discriminator_gradient,
        metrics={
            "loss/discriminator": discriminator_loss,
            "loss/generator": generator_loss,
            "loss/gradient_penalty": penalty,
            "logits/real": real_logits.mean(),
            "logits/fake": fake_logits.mean(),
        },
    )


def shifted(clips: jax.Array, shift: jax.Array, *, reach: int) -> jax.Array:
    """Moves frames by `shift - reach` pixels; their border pixels are repeated.

    Strided convolutions weight some pixels more than others. If the discriminator
    always weights the same ones, the generator learns to draw their pattern.

    Args:
      clips: f32[T, B, H, W, 3].
      shift: i32[2], from 0 to `2 * reach`, down and right.
      reach: largest distance in pixels.
    """
    if not reach:
        return clips
    margin = ((0, 0), (0, 0), (reach, reach), (reach, reach), (0, 0))
    wide = jnp.pad(clips, margin, mode="edge")
    return jax.lax.dynamic_slice(wide, (0, 0, shift[0], shift[1], 0), clips.shape)


def gradient_penalty(
    discriminator: Params,
    logits: losses.Logits,
    real: jax.Array,
    fake: jax.Array,
    keys: jax.Array,
    *,
    config: Config,
) -> tuple[jax.Array, losses.Logits]:
    """Returns gamma / 2 (R1 + R2), and its gradient for the given logits.

    Args:
      discriminator: parameters of `discriminate`.
      logits: of the clips.
      real: f32[T, B, H, W, 3].
      fake: f32[T, B, H, W, 3].
      keys: a key for each clip, [B].
      config: of the run.
    """
    loss = config.loss

    def random(sample: Any, shape: tuple[int, ...]) -> jax.Array:
        """Samples for each clip by its own key, for real and fake ones alike."""
        samples = [
            jax.vmap(lambda key: sample(key, (shape[0], *shape[2:])), out_axes=1)(half)
            for half in jax.vmap(jax.random.split, out_axes=1)(keys)
        ]
        return jnp.concatenate(samples, axis=1)

    def discriminate(clips: jax.Array) -> jax.Array:
        return models.discriminate(discriminator, clips, config=config.model)

    clips = jnp.concatenate([real, fake], axis=1)
    if loss.gradient_penalty == "exact":
        signs = random(jax.random.rademacher, logits.real.shape)
        both = 2 * losses.exact_gradient_penalty(discriminate, clips, signs)
        direct = zeros_like(logits)
    else:
        std = loss.gradient_penalty_noise
        noisy = discriminate(clips + std * random(jax.random.normal, clips.shape))
        both, direct = jax.value_and_grad(
            lambda logits: (
                2
                * losses.finite_difference_penalty(
                    jnp.concatenate(logits, axis=1), noisy, std
                )
            )
        )(logits)
    scale = loss.gradient_penalty_weight / 2
    return scale * both, jax.tree.map(
        lambda leaf: jax.lax.stop_gradient(scale * leaf), direct
    )


def _size_for_caches(num_steps: int, count: int) -> int:
    """Returns how many of `count` clips suit the caches of a CPU."""
    devices = jax.device_count()
    if count % devices:
        return count
    most = max(1, _FRAMES_IN_CACHE // num_steps)
    share = count // devices
    return devices * max(n for n in range(1, most + 1) if share % n == 0)
