"""The encoder's part of a step: the film itself trains the generator's side."""

import jax
import jax.numpy as jnp

from duralava import draws, losses, models
from duralava.config import Config
from duralava.datasets.clips import Batch
from duralava.training.gradients import Metrics, Params

_ENCODED_FRAMES = 5  # of each clip


def encoder_loss(
    params: Params, batch: Batch, key: jax.Array, *, config: Config
) -> tuple[jax.Array, Metrics]:
    """Weighted sum of `losses.ENCODER_TERMS`.

    Args:
      params: `{generator, transition, encoder}`.
      batch: of the film.
      key: of the posterior's noise and of the window of the rollout.
      config: of the run.

    Returns:
      The weighted sum f32[], and the terms.
    """
    encoded = encode_clips(params, batch, key, config=config)
    return losses.weighted_sum(losses.ENCODER_TERMS, encoded, config=config.loss)


def encode_clips(
    params: Params, batch: Batch, key: jax.Array, *, config: Config
) -> losses.EncodedClips:
    """Encodes frames of each clip, decodes some codes and runs the first one on.

    To keep a step cheap, the rollout is decoded only in a window of `rollout_frames`
    steps, drawn anew each time. Views of the ends are drawn from the same features as
    their whole frames; where the term `window` has no weight, they are the whole
    frames.

    Args:
      params: `{generator, transition, encoder}`.
      batch: of the film.
      key: of the posterior's noise and of the window.
      config: of the run.

    Raises:
      ValueError: the clips are not longer than the rollout.
    """
    loss, model, clips = config.loss, config.model, batch.clips
    if loss.rollout_steps >= clips.shape[0]:
        raise ValueError(
            f"loss.rollout_steps {loss.rollout_steps} must be below the length of a "
            f"clip, {clips.shape[0]}"
        )
    noise_key, rollout_key, window_key = jax.random.split(key, 3)
    # More frames than are decoded: they show the distribution of codes better.
    chosen = jnp.linspace(0, clips.shape[0] - 1, _ENCODED_FRAMES).astype(int)
    frames = models.from_uint8(clips[chosen])
    mean, log_std = models.encode_posterior(params["encoder"], frames, config=model)
    noise = draws.normal(noise_key, mean.shape)
    codes = mean + jnp.exp(log_std) * noise
    generator = params["generator"]
    latents, _ = models.latents_of(generator, codes, config=model)
    # The flow learns the distribution of codes; codes do not adapt to it.
    _, log_density = models.latents_of(
        generator, jax.lax.stop_gradient(codes), config=model
    )
    _, trajectory = models.rollout(
        params["transition"],
        latents[0],
        rollout_key,
        0,
        num_steps=loss.rollout_steps + 1,
        config=model,
    )
    last_start = loss.rollout_steps - loss.rollout_frames + 1
    window = jax.random.randint(window_key, (), 1, last_start + 1)
    window += jnp.arange(loss.rollout_frames)
    latents = jnp.concatenate([latents[:1], latents[-1:], trajectory[window]])
    features = models.features(generator, latents, config=model)
    generated = models.colour(generator, features, config=model)
    views, film_views = generated[:2], losses.ends(frames)
    if loss.window_weight:
        place = models.Window(*jnp.moveaxis(batch.view_places, -1, 0))
        views = models.colour(generator, features[:2], window=place, config=model)
        film_views = models.from_uint8(batch.views)
    return losses.EncodedClips(
        frames=frames,
        mean=mean,
        log_std=log_std,
        codes=codes,
        log_density=log_density,
        decoded=generated[:2],
        rollout=generated[2:],
        film=models.from_uint8(clips[window]),
        views=views,
        film_views=film_views,
    )
