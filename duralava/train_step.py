"""One step of training: pure, compiled, no input or output.

The generator's side holds generator, transition and (where the losses use one) the
encoder; they share an optimiser. Both sides are updated at once, from one forward
pass of the discriminator.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from duralava import compilation, losses, models
from duralava.config import Config, OptimizerConfig

_ENCODED_FRAMES = 5  # of each clip
_FRAMES_IN_CACHE = 40  # activations of so many frames, on a CPU

Params = Any
Metrics = dict[str, jax.Array]


class TrainState(NamedTuple):
    """All that changes in training.

    Attributes:
      step: i32[], steps made.
      generator: parameters `{generator, transition[, encoder]}`.
      discriminator: parameters of the discriminator; empty without an adversary.
      ema: running average of `generator`; what is rendered.
      generator_optimizer: optimiser's state.
      discriminator_optimizer: optimiser's state.
      latent_pool: f32[N, Z], where the rollouts of the last step ended. The first B
        of these N lamps are those that the adversary sees.
    """

    step: jax.Array
    generator: Params
    discriminator: Params
    ema: Params
    generator_optimizer: optax.OptState
    discriminator_optimizer: optax.OptState
    latent_pool: jax.Array


class AdversarialGradients(NamedTuple):
    """What the adversary asks for.

    Attributes:
      generator: gradient for the parameters of `generate`.
      trajectory: gradient for the latents that were drawn, f32[T, B, Z].
      discriminator: gradient for the discriminator's parameters.
      metrics: losses and logits.
    """

    generator: Params
    trajectory: jax.Array
    discriminator: Params
    metrics: Metrics


def init_train_state(key: jax.Array, *, config: Config) -> TrainState:
    """Returns the state before the first step, with fresh parameters."""
    lamp_key, discriminator_key, pool_key = jax.random.split(key, 3)
    generator = models.init_lamp(
        lamp_key, config=config.model, with_encoder=config.loss.uses_encoder
    )
    discriminator = (
        models.init_discriminator(discriminator_key, config=config.model)
        if config.loss.uses_adversary
        else {}
    )
    generator_optimizer, discriminator_optimizer = _optimizers(config)
    num_lamps = max(config.data.batch_size, config.loss.normality_lamps)
    pool_shape = (num_lamps, config.model.latent_size)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        generator=generator,
        discriminator=discriminator,
        # A copy: the state is donated, and one array cannot be given away twice.
        ema=jax.tree.map(jnp.copy, generator),
        generator_optimizer=generator_optimizer.init(generator),
        discriminator_optimizer=discriminator_optimizer.init(discriminator),
        latent_pool=jax.random.normal(pool_key, pool_shape),
    )


@functools.partial(jax.jit, static_argnames="config", donate_argnums=0)
def train_step(
    state: TrainState, clips: jax.Array, key: jax.Array, *, config: Config
) -> tuple[TrainState, Metrics]:
    """Makes one update of all networks.

    Args:
      state: before the step; its buffers are donated.
      clips: film u8[T, B, H, W, 3].
      key: base key of the run; all randomness is `fold_in(key, state.step)`.
      config: of the run.

    Returns:
      The state after the step, and scalars f32[] by name.
    """
    key = jax.random.fold_in(key, state.step)
    reset_key, rollout_key, adversary_key, encoder_key = jax.random.split(key, 4)
    starts = _reset_some(state.latent_pool, reset_key, config=config)

    def run_latents(transition: Params) -> tuple[jax.Array, jax.Array]:
        final, trajectory = models.rollout(
            transition,
            starts,
            rollout_key,
            0,
            num_steps=clips.shape[0],
            config=config.model,
        )
        return trajectory, final

    trajectory, pull_transition, final = jax.vjp(
        run_latents, state.generator["transition"], has_aux=True
    )
    (penalty, moments), trajectory_gradient = jax.value_and_grad(
        losses.normality_penalty, has_aux=True
    )(trajectory)
    trajectory_gradient *= config.loss.normality_weight
    metrics = {"loss/normality": penalty}
    metrics |= {f"latent/{name}": value for name, value in moments.items()}

    gradients = jax.tree.map(jnp.zeros_like, state.generator)
    discriminator_gradients = state.discriminator
    if config.loss.uses_adversary:
        seen = slice(clips.shape[1])
        adversary = _adversarial_gradients(
            state, clips, trajectory[:, seen], adversary_key, config=config
        )
        gradients["generator"] = adversary.generator
        trajectory_gradient = trajectory_gradient.at[:, seen].add(adversary.trajectory)
        discriminator_gradients = adversary.discriminator
        metrics |= adversary.metrics
    if config.loss.uses_adversary or config.loss.normality_weight:
        (gradients["transition"],) = pull_transition(trajectory_gradient)
    if config.loss.uses_encoder:
        (_, terms), encoder_gradients = jax.value_and_grad(encoder_loss, has_aux=True)(
            state.generator, clips, encoder_key, config=config
        )
        gradients = jax.tree.map(jnp.add, gradients, encoder_gradients)
        metrics |= terms

    generator_optimizer, discriminator_optimizer = _optimizers(config)
    generator, generator_state = _update(
        generator_optimizer, gradients, state.generator_optimizer, state.generator
    )
    discriminator, discriminator_state = _update(
        discriminator_optimizer,
        discriminator_gradients,
        state.discriminator_optimizer,
        state.discriminator,
    )
    # Early averages are short: the first steps should not be remembered for long.
    decay = jnp.minimum(
        config.optimizer.ema_decay, (state.step + 1) / (state.step + 10)
    )
    return TrainState(
        step=state.step + 1,
        generator=generator,
        discriminator=discriminator,
        ema=optax.incremental_update(generator, state.ema, 1 - decay),
        generator_optimizer=generator_state,
        discriminator_optimizer=discriminator_state,
        latent_pool=final,
    ), metrics


def programs() -> tuple[Callable[..., TrainState], Callable[..., Any]]:
    """Returns `init_train_state` and `train_step`, compiled as suits the platform."""
    return (
        compilation.jit(init_train_state, once=True, static_argnames="config"),
        compilation.jit(train_step, static_argnames="config", donate_argnums=0),
    )


def encoder_loss(
    params: Params, clips: jax.Array, key: jax.Array, *, config: Config
) -> tuple[jax.Array, Metrics]:
    """Terms by which film itself teaches generator, transition and encoder.

    Some frames of each clip are encoded; samples of the posteriors of the first and the
    last are decoded, and the first is run on. To keep a step cheap, only a part of the
    rollout, of `rollout_frames` steps and drawn anew each time, is decoded and compared
    with the film.

    Args:
      params: `{generator, transition, encoder}`.
      clips: film u8[T, B, H, W, 3].
      key: of the posterior's noise and of the part drawn.
      config: of the run.

    Returns:
      The weighted sum f32[], and the terms.
    """
    loss, model = config.loss, config.model
    if not 2 <= loss.rollout_frames <= loss.rollout_steps < clips.shape[0]:
        raise ValueError(
            f"2 <= rollout_frames {loss.rollout_frames} <= rollout_steps "
            f"{loss.rollout_steps} < clip_length {clips.shape[0]} does not hold"
        )
    noise_key, rollout_key, part_key = jax.random.split(key, 3)
    # More than are decoded, to know the distribution of codes better.
    chosen = jnp.linspace(0, clips.shape[0] - 1, _ENCODED_FRAMES).astype(int)
    encoded = models.from_uint8(clips[chosen])
    mean, log_std = models.encode_posterior(params["encoder"], encoded, config=model)
    noise = jax.random.normal(noise_key, mean.shape)
    codes = mean + jnp.exp(log_std) * noise
    _, trajectory = models.rollout(
        params["transition"],
        codes[0],
        rollout_key,
        0,
        num_steps=loss.rollout_steps + 1,
        config=model,
    )
    last_start = loss.rollout_steps - loss.rollout_frames + 1
    steps = jax.random.randint(part_key, (), 1, last_start + 1)
    steps += jnp.arange(loss.rollout_frames)
    drawn = models.generate(
        params["generator"],
        jnp.concatenate([codes[:1], codes[-1:], trajectory[steps]]),
        config=model,
    )
    film = models.from_uint8(clips[steps])
    terms = {
        "reconstruction": losses.frame_error(drawn[:2], encoded[:: len(encoded) - 1]),
        "rollout": losses.frame_error(drawn[2:], film),
        "change": losses.change_error(drawn[2:], film),
        "code_divergence": losses.normal_divergence(mean, log_std),
        "code_normality": losses.moment_distance(codes),
    }
    weights = {
        "reconstruction": loss.reconstruction_weight,
        "rollout": loss.rollout_weight,
        "change": loss.change_weight,
        "code_divergence": loss.code_divergence_weight,
        "code_normality": loss.code_normality_weight,
    }
    total = sum(weight * terms[name] for name, weight in weights.items() if weight)
    return total, {f"loss/{name}": term for name, term in terms.items()}


def _adversarial_gradients(
    state: TrainState,
    clips: jax.Array,
    trajectory: jax.Array,
    key: jax.Array,
    *,
    config: Config,
) -> AdversarialGradients:
    """Plays one round of the game, or none before its first step."""
    start = config.loss.adversarial_start_step
    play = functools.partial(_play_part, config=config)
    operands = (state.generator["generator"], state.discriminator)
    if start == 0:
        return play(*operands, clips, trajectory, key)

    def rest(*arguments: Any) -> AdversarialGradients:
        shapes = jax.eval_shape(play, *arguments)
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    return jax.lax.cond(
        state.step >= start, play, rest, *operands, clips, trajectory, key
    )


def _play_part(
    generator: Params,
    discriminator: Params,
    clips: jax.Array,
    trajectory: jax.Array,
    key: jax.Array,
    *,
    config: Config,
) -> AdversarialGradients:
    """Plays with as much of the clips as is to be judged, moved by some pixels.

    Film and dreams are cut and moved alike: a clip is judged as well by any of its
    parts, and more clips for the same work show more of what lamps do.
    """
    loss, length = config.loss, len(clips)
    num_steps = loss.adversarial_steps or length
    if num_steps > length:
        raise ValueError(
            f"adversarial_steps {num_steps} is more than clip_length {length}"
        )
    start_key, shift_key = jax.random.split(jax.random.fold_in(key, 1))
    start = jax.random.randint(start_key, (), 0, length - num_steps + 1)
    shift = jax.random.randint(shift_key, (2,), 0, 2 * loss.adversarial_shift + 1)

    def cut(whole: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice_in_dim(whole, start, num_steps)

    gradients = _play_in_groups(
        generator,
        discriminator,
        shift,
        cut(clips),
        cut(trajectory),
        key,
        config=config,
    )
    return gradients._replace(
        trajectory=jax.lax.dynamic_update_slice_in_dim(
            jnp.zeros_like(trajectory), gradients.trajectory, start, axis=0
        )
    )


def _play_in_groups(
    generator: Params,
    discriminator: Params,
    shift: jax.Array,
    clips: jax.Array,
    trajectory: jax.Array,
    key: jax.Array,
    *,
    config: Config,
) -> AdversarialGradients:
    """Plays with some of the clips at a time, and averages.

    All losses of the game are means over clips that are judged each by itself, so the
    gradients are those of a game with all at once, of which only a group's activations
    are ever in memory. On a CPU they then fit into its caches.
    """
    play = functools.partial(_play, generator, discriminator, shift, config=config)
    num_steps, count = trajectory.shape[:2]
    size = config.training.clips_at_once or _clips_at_once(num_steps, count)
    if count % size:
        raise ValueError(f"{count} clips are not played in groups of {size}")
    # A key for each clip, so that groups change nothing but the order of sums.
    keys = jax.random.split(key, count)
    num_groups = count // size
    if num_groups == 1:
        return play(clips, trajectory, keys)

    def split(leaf: jax.Array) -> jax.Array:
        # Every nth clip: where clips are spread over devices, so is every group.
        split = leaf.reshape(leaf.shape[0], size, num_groups, *leaf.shape[2:])
        return jnp.moveaxis(split, 2, 0)

    def add(
        total: AdversarialGradients, group: tuple[jax.Array, ...]
    ) -> tuple[AdversarialGradients, jax.Array]:
        part = play(*group)
        total = jax.tree.map(jnp.add, total, part._replace(trajectory=None))
        return total, part.trajectory

    groups = (split(clips), split(trajectory), split(keys[None])[:, 0])
    shapes = jax.eval_shape(play, *jax.tree.map(lambda leaf: leaf[0], groups))
    zeros = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes._replace(trajectory=None)
    )
    total, gradients = jax.lax.scan(add, zeros, groups)
    total = total._replace(
        trajectory=jnp.moveaxis(gradients, 0, 2).reshape(trajectory.shape)
    )
    return jax.tree.map(lambda leaf: leaf / num_groups, total)


def _clips_at_once(num_steps: int, count: int) -> int:
    """Returns how many of `count` clips are played with at a time, if not told."""
    devices = jax.device_count()
    if jax.default_backend() != "cpu" or count % devices:
        return count
    most = max(1, _FRAMES_IN_CACHE // num_steps)
    share = count // devices
    return devices * max(n for n in range(1, most + 1) if share % n == 0)


def _play(
    generator: Params,
    discriminator: Params,
    shift: jax.Array,
    clips: jax.Array,
    trajectory: jax.Array,
    keys: jax.Array,
    *,
    config: Config,
) -> AdversarialGradients:
    """Gradients of both players from one forward pass of the discriminator."""
    loss = config.loss
    real = _shifted(models.from_uint8(clips), shift, reach=loss.adversarial_shift)

    def dream(generator: Params, trajectory: jax.Array) -> jax.Array:
        frames = models.generate(generator, trajectory, config=config.model)
        return _shifted(frames, shift, reach=loss.adversarial_shift)

    fake, pull_generator = jax.vjp(dream, generator, trajectory)
    judge = functools.partial(models.discriminate, config=config.model)
    real_logits, pull_real = jax.vjp(lambda params: judge(params, real), discriminator)
    fake_logits, pull_fake = jax.vjp(judge, discriminator, fake)
    logits = losses.Logits(real_logits, fake_logits)
    pair = (
        losses.bce_losses if loss.adversarial == "bce" else losses.relativistic_losses
    )
    (discriminator_loss, generator_loss) = pair(logits)
    for_discriminator = jax.grad(lambda logits: pair(logits)[0])(logits)
    for_generator = jax.grad(lambda logits: pair(logits)[1])(logits)

    penalty = jnp.zeros(())
    penalty_gradient = jax.tree.map(jnp.zeros_like, discriminator)
    if loss.gradient_penalty != "none":
        (penalty, direct), penalty_gradient = jax.value_and_grad(
            functools.partial(_gradient_penalty, config=config),
            argnums=0,
            has_aux=True,
        )(discriminator, logits, real, fake, keys)
        # The finite difference holds D(clip) too: its share of the gradient goes
        # back through the forward pass that has been made already.
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


def _shifted(clips: jax.Array, shift: jax.Array, *, reach: int) -> jax.Array:
    """Moves pictures by `shift - reach` pixels; they go on as their border pixels do.

    Strided convolutions look at some pixels more than at others. Where a discriminator
    always looks at the same, a generator learns to draw their pattern.
    """
    if not reach:
        return clips
    margin = ((0, 0), (0, 0), (reach, reach), (reach, reach), (0, 0))
    wide = jnp.pad(clips, margin, mode="edge")
    return jax.lax.dynamic_slice(wide, (0, 0, shift[0], shift[1], 0), clips.shape)


def _gradient_penalty(
    discriminator: Params,
    logits: losses.Logits,
    real: jax.Array,
    fake: jax.Array,
    keys: jax.Array,
    *,
    config: Config,
) -> tuple[jax.Array, losses.Logits]:
    """Returns gamma / 2 (R1 + R2), and its gradient for the logits given."""
    loss = config.loss

    def draw(sample: Any, shape: tuple[int, ...]) -> jax.Array:
        """What `sample` gives for each clip, real ones and fake ones alike."""
        drawn = [
            jax.vmap(lambda key: sample(key, (shape[0], *shape[2:])), out_axes=1)(half)
            for half in jax.vmap(jax.random.split, out_axes=1)(keys)
        ]
        return jnp.concatenate(drawn, axis=1)

    def judge(clips: jax.Array) -> jax.Array:
        return models.discriminate(discriminator, clips, config=config.model)

    clips = jnp.concatenate([real, fake], axis=1)
    if loss.gradient_penalty == "exact":
        signs = draw(jax.random.rademacher, logits.real.shape)
        both = 2 * losses.exact_gradient_penalty(judge, clips, signs)
        direct = jax.tree.map(jnp.zeros_like, logits)
    else:
        std = loss.gradient_penalty_noise
        noisy = judge(clips + std * draw(jax.random.normal, clips.shape))
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


def _reset_some(pool: jax.Array, key: jax.Array, *, config: Config) -> jax.Array:
    choice_key, fresh_key = jax.random.split(key)
    chance = config.loss.reset_probability
    reset = jax.random.bernoulli(choice_key, chance, (pool.shape[0], 1))
    return jnp.where(reset, jax.random.normal(fresh_key, pool.shape), pool)


def _update(
    optimizer: optax.GradientTransformation,
    gradients: Params,
    state: optax.OptState,
    params: Params,
) -> tuple[Params, optax.OptState]:
    updates, state = optimizer.update(gradients, state, params)
    return optax.apply_updates(params, updates), state


def _optimizers(
    config: Config,
) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
    optimizer, num_steps = config.optimizer, config.training.num_steps
    generator = _optimizer(optimizer.learning_rate, num_steps, config=optimizer)
    if not config.loss.uses_adversary:
        return generator, optax.identity()
    rate = optimizer.discriminator_learning_rate
    return generator, _optimizer(rate, num_steps, config=optimizer)


def _optimizer(
    learning_rate: float, num_steps: int, *, config: OptimizerConfig
) -> optax.GradientTransformation:
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=0.0 if config.warmup_steps else learning_rate,
        peak_value=learning_rate,
        warmup_steps=config.warmup_steps,
        decay_steps=max(num_steps, config.warmup_steps + 1),
        end_value=learning_rate * config.final_learning_rate_scale,
    )
    method = (
        optax.sgd(schedule)
        if config.name == "sgd"
        else optax.adam(schedule, b1=config.b1, b2=config.b2)
    )
    if config.gradient_clip:
        method = optax.chain(optax.clip_by_global_norm(config.gradient_clip), method)
    # As one long vector: a loop for each parameter would take longer to compile.
    return optax.flatten(method)
