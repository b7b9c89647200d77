import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from duralava import draws, losses, models, trees
from duralava.config import (
    Config,
    DataConfig,
    LossConfig,
    OptimizerConfig,
    TrainingConfig,
)
from duralava.datasets.clips import batch_of
from duralava.training import optimizers
from duralava.training import step as training_step
from duralava.training.encoder import encoder_loss
from duralava.training.state import init_train_state

pytestmark = pytest.mark.usefixtures("quick_compilation")

MODEL = tiny.model(generator_hidden=8, encoder_hidden=16)
# With a learning rate of 1, a step of SGD subtracts the gradient.
GRADIENT = OptimizerConfig(
    name="sgd",
    learning_rate=1.0,
    discriminator_learning_rate=1.0,
    final_learning_rate_scale=1.0,
)
KEY = jax.random.key(5)

rollout = jax.jit(models.rollout, static_argnames=("num_steps", "config"))
compiled_step = jax.jit(training_step.train_step, static_argnames="config")


def make_config(loss, *, model=MODEL, optimizer=GRADIENT):
    data = DataConfig(clip_length=5, batch_size=2)
    return Config(data=data, model=model, loss=loss, optimizer=optimizer)


def random_state(config, scale=0.2):
    """A state with random weights, biases too, as if before the first step."""
    shapes = jax.eval_shape(lambda: init_train_state(KEY, config=config))
    generator = np.random.default_rng(0)

    def random(tree):
        return jax.tree.map(
            lambda leaf: np.asarray(
                scale * generator.normal(size=leaf.shape), leaf.dtype
            ),
            tree,
        )

    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    weights = random(shapes.generator)
    return zeros._replace(
        generator=weights,
        ema=jax.tree.map(np.copy, weights),
        discriminator=random(shapes.discriminator),
        latent_pool=random(shapes.latent_pool) / scale,
    )


def film(seed=1):
    values = np.random.default_rng(seed).integers(0, 256, (5, 2, 16, 16, 3))
    return values.astype(np.uint8)


def train_step(state, clips, key, *, config):
    return compiled_step(state, batch_of(clips), key, config=config)


def step(state, config, *, clips=None, key=KEY):
    clips = film() if clips is None else clips
    return train_step(state, clips, key, config=config)


def step_keys(index=0):
    """Keys of reset, rollout, adversary and encoder."""
    return jax.random.split(jax.random.fold_in(KEY, index), 4)


def assert_trees_close(actual, expected, **tolerance):
    actual, expected = (jax.tree.leaves_with_path(tree) for tree in (actual, expected))
    for (path, one), (other_path, other) in zip(actual, expected, strict=True):
        assert path == other_path
        name = jax.tree_util.keystr(path)
        np.testing.assert_allclose(one, other, err_msg=name, **tolerance)


def assert_trees_equal(actual, expected):
    assert_trees_close(actual, expected, rtol=0, atol=0)


def largest_difference(one, other):
    differences = jax.tree.map(
        lambda a, b: np.abs(np.asarray(a) - np.asarray(b)).max(), one, other
    )
    return max(float(leaf) for leaf in jax.tree.leaves(differences))


def subtracted(before, after):
    return jax.tree.map(lambda a, b: np.asarray(a) - np.asarray(b), before, after)


RELATIVISTIC = make_config(
    LossConfig(
        adversarial="relativistic",
        adversarial_weight=0.7,
        gradient_penalty="finite_difference",
        gradient_penalty_weight=0.3,
        gradient_penalty_noise=0.1,
        normality_weight=0.1,
        reset_probability=0.0,
    )
)
BCE = make_config(
    LossConfig(
        adversarial="bce",
        gradient_penalty="none",
        normality_weight=0.2,
        normality_lamps=5,
        reset_probability=0.0,
    ),
    model=dataclasses.replace(MODEL, discriminator_time="recurrent", transition="mlp"),
)
BCE_EXACT = make_config(
    LossConfig(adversarial="bce", gradient_penalty="exact"),
    model=dataclasses.replace(MODEL, refresh=0.1),
    optimizer=OptimizerConfig(gradient_clip=1.0),
)
ENCODED = make_config(
    LossConfig(
        adversarial_start_step=2,
        gradient_penalty="none",
        normality_weight=0.0,
        reset_probability=0.0,
        reconstruction_weight=1.0,
        rollout_weight=0.5,
        change_weight=2.0,
        code_divergence_weight=0.01,
        code_normality_weight=0.01,
        rollout_steps=4,
        rollout_frames=2,
    )
)
FLOW = make_config(
    LossConfig(
        adversarial_weight=0.0,
        normality_weight=0.0,
        flow_weight=1.0,
        rollout_steps=4,
        rollout_frames=2,
    ),
    model=dataclasses.replace(MODEL, flow_layers=2, flow_hidden=8),
)
LATENTS_ONLY = make_config(
    LossConfig(adversarial_weight=0.0, normality_weight=0.01, reset_probability=0.0),
    model=dataclasses.replace(MODEL, transition="mlp"),
    optimizer=dataclasses.replace(GRADIENT, ema_decay=0.5),
)
RESET = dataclasses.replace(
    LATENTS_ONLY, loss=dataclasses.replace(LATENTS_ONLY.loss, reset_probability=1.0)
)


@pytest.mark.parametrize(
    "config",
    [RELATIVISTIC, BCE, BCE_EXACT, ENCODED, LATENTS_ONLY],
    ids=["relativistic", "bce", "bce_exact", "encoded", "latents_only"],
)
def test_a_step_moves_all_that_is_trained(config):
    before = random_state(config)._replace(step=np.int32(3))
    after, metrics = step(before, config)
    assert int(after.step) == 4
    for name, value in metrics.items():
        assert jnp.shape(value) == () and np.isfinite(value), name
    assert ("loss/generator" in metrics) == config.loss.uses_adversary
    assert ("loss/reconstruction" in metrics) == losses.has_weight(
        losses.ENCODER_TERMS, config=config.loss
    )
    parts = {"transition": before.generator["transition"]}
    if config.loss.uses_adversary:
        parts |= before.generator
        assert largest_difference(before.discriminator, after.discriminator) > 1e-6
    for name, part in parts.items():
        assert largest_difference(part, after.generator[name]) > 1e-6, name
    assert jax.tree.all(jax.tree.map(lambda x: np.isfinite(x).all(), after.generator))


@pytest.mark.parametrize(
    "config", [RELATIVISTIC, ENCODED], ids=["adversarial", "encoder"]
)
def test_bfloat16_convolutions_give_nearly_the_losses_and_state_of_float32(config):
    rounded = dataclasses.replace(
        config, model=dataclasses.replace(MODEL, convolution_dtype="bfloat16")
    )
    before = random_state(config)
    # Of eight films together: rounding moves some pixels across an activation's kink.
    exact, close = (
        [step(before, used, clips=film(seed)) for seed in range(8)]
        for used in (config, rounded)
    )
    for (state, values), (rounded_state, rounded_values) in zip(
        exact, close, strict=True
    ):
        assert jax.tree.map(jnp.dtype, rounded_state) == jax.tree.map(jnp.dtype, state)
        for name, value in values.items():
            np.testing.assert_allclose(
                rounded_values[name], value, rtol=0.03, atol=1e-3, err_msg=name
            )

    def total(results):
        taken = [subtracted(before.generator, state.generator) for state, _ in results]
        return jax.tree.map(lambda *leaves: sum(leaves), *taken)

    error = optax.global_norm(subtracted(total(exact), total(close)))
    gradient = optax.global_norm(total(exact))
    assert 1e-5 * gradient < error < 0.05 * gradient


def straightforward_losses(config, clips):
    """The losses of both networks, each written as one function of all parameters."""
    loss, model = config.loss, config.model
    real = models.from_uint8(clips)
    _, rollout_key, adversary_key, _ = step_keys()

    def generate(generator, discriminator, pool):
        _, trajectory = models.rollout(
            generator["transition"], pool, rollout_key, 0, num_steps=5, config=model
        )
        # The penalty is on all lamps, the adversarial loss on as many as the clips.
        shown = trajectory[:, : real.shape[1]]
        fake = models.generate(generator["generator"], shown, config=model)
        discriminate = functools.partial(
            models.discriminate, discriminator, config=model
        )
        return real, fake, discriminate, trajectory

    def discriminator_loss(discriminator, generator, pool):
        real, fake, discriminate, _ = generate(generator, discriminator, pool)
        if loss.adversarial == "bce":
            on_real, on_fake = (
                -jax.nn.log_sigmoid(discriminate(real)),
                -jax.nn.log_sigmoid(-discriminate(fake)),
            )
            total = (on_real.mean() + on_fake.mean()) / 2
        else:
            total = -jax.nn.log_sigmoid(discriminate(real) - discriminate(fake)).mean()
        if loss.gradient_penalty == "finite_difference":
            std = loss.gradient_penalty_noise
            both = jnp.concatenate([real, fake], axis=1)
            # Noise of each clip from its own key: of the real one, then of the other.
            pairs = [jax.random.split(k) for k in jax.random.split(adversary_key, 2)]
            noise = [
                draws.normal(pair[kind], both[:, 0].shape)
                for kind in (0, 1)
                for pair in pairs
            ]
            noisy = both + std * jnp.stack(noise, axis=1)
            squares = ((discriminate(noisy) - discriminate(both)) / std) ** 2
            # gamma / 2 (R1 + R2), each the mean over its own clips.
            r1, r2 = squares[:, :2].mean(), squares[:, 2:].mean()
            total += loss.gradient_penalty_weight / 2 * (r1 + r2)
        return total

    def generator_loss(generator, discriminator, pool):
        real, fake, discriminate, trajectory = generate(generator, discriminator, pool)
        if loss.adversarial == "bce":
            adversarial = -jax.nn.log_sigmoid(discriminate(fake)).mean()
        else:
            adversarial = -jax.nn.log_sigmoid(
                discriminate(fake) - discriminate(real)
            ).mean()
        normality, _ = losses.normality_penalty(trajectory)
        return loss.adversarial_weight * adversarial + loss.normality_weight * normality

    return discriminator_loss, generator_loss


@pytest.mark.parametrize(
    "config", [RELATIVISTIC, BCE], ids=["relativistic_finite_difference", "bce"]
)
def test_one_forward_pass_gives_the_gradients_of_both_losses(config):
    state = random_state(config)
    after, metrics = step(state, config)
    discriminator_loss, generator_loss = straightforward_losses(config, film())
    of_discriminator, for_discriminator = jax.jit(
        jax.value_and_grad(discriminator_loss)
    )(state.discriminator, state.generator, state.latent_pool)
    for_generator = jax.jit(jax.grad(generator_loss))(
        state.generator, state.discriminator, state.latent_pool
    )
    np.testing.assert_allclose(
        metrics["loss/discriminator"] + metrics["loss/gradient_penalty"],
        of_discriminator,
        rtol=1e-4,
    )
    tolerance = {"rtol": 2e-3, "atol": 2e-6}
    assert_trees_close(
        subtracted(state.discriminator, after.discriminator),
        for_discriminator,
        **tolerance,
    )
    assert_trees_close(
        subtracted(state.generator, after.generator), for_generator, **tolerance
    )


@pytest.mark.parametrize(
    ("adversarial", "penalty", "atol"),
    [
        # A finite difference divides rounding by its noise.
        ("relativistic", "finite_difference", 5e-6),
        ("bce", "exact", 1e-6),
        ("bce", "none", 1e-6),
    ],
)
def test_microbatches_give_the_gradients_of_the_whole_batch(adversarial, penalty, atol):
    loss = LossConfig(adversarial=adversarial, gradient_penalty=penalty)
    # 5 steps of 2 clips are one microbatch by default.
    together = make_config(loss)
    in_groups = dataclasses.replace(together, training=TrainingConfig(clips_at_once=1))
    state = random_state(together)
    expected, metrics = step(state, together)
    actual, metrics_of_groups = step(state, in_groups)
    assert_trees_close(actual, expected, rtol=1e-4, atol=atol)
    assert_trees_close(metrics_of_groups, metrics, rtol=1e-4, atol=1e-6)


def test_a_window_of_a_still_clip_gives_the_gradients_of_a_shorter_still_clip():
    """With a transition that changes nothing, wherever the window is."""
    loss = dataclasses.replace(
        RELATIVISTIC.loss, gradient_penalty="none", normality_weight=0.0
    )
    part = make_config(dataclasses.replace(loss, adversarial_steps=4))
    state = random_state(part)
    still = jax.tree.map(np.zeros_like, state.generator["transition"])
    state = state._replace(generator=state.generator | {"transition": still})
    clip = np.repeat(film()[:1], 5, axis=0)
    after, _ = train_step(state, clip, KEY, config=part)
    expected, _ = train_step(state, clip[:4], KEY, config=make_config(loss))
    assert largest_difference(state.discriminator, after.discriminator) > 1e-4
    assert_trees_close(after.discriminator, expected.discriminator, atol=1e-6)
    assert_trees_close(
        after.generator["generator"], expected.generator["generator"], atol=1e-6
    )


@pytest.mark.parametrize(("flat", "same"), [(True, True), (False, False)])
def test_a_shift_changes_only_frames_with_detail(flat, same):
    loss = dataclasses.replace(RELATIVISTIC.loss, gradient_penalty="none")
    configs = [
        make_config(dataclasses.replace(loss, adversarial_shift=s)) for s in (0, 3)
    ]
    state = random_state(configs[0])
    # With weights of zero, the generator gives grey frames.
    grey = jax.tree.map(np.zeros_like, state.generator["generator"])
    state = state._replace(generator=state.generator | {"generator": grey})
    clips = np.broadcast_to(film()[:, :, :1, :1], film().shape) if flat else film()
    still, moved = (step(state, config, clips=clips)[0] for config in configs)
    assert largest_difference(state.discriminator, still.discriminator) > 1e-4
    difference = largest_difference(still.discriminator, moved.discriminator)
    assert (difference < 1e-7) == same


def test_a_rollout_as_long_as_the_clip_is_refused():
    """A shorter batch than the config says: the config itself refuses this."""
    with pytest.raises(ValueError, match=r"loss\.rollout_steps 4 must be below.* 4"):
        step(random_state(ENCODED), ENCODED, clips=film()[:4])


def test_gradients_that_no_loss_has_are_zeros():
    config = make_config(
        LossConfig(adversarial_weight=0.0, normality_weight=0.0),
        optimizer=OptimizerConfig(),
    )
    state = random_state(config)
    of_generator, of_discriminator, *_ = training_step.loss_gradients(
        state, batch_of(film()), KEY, config=config
    )
    for gradients, params in (
        (of_generator, state.generator),
        (of_discriminator, state.discriminator),
    ):
        assert_trees_equal(gradients, jax.tree.map(np.zeros_like, params))


def test_a_new_term_is_one_entry_and_trains_an_encoder(monkeypatch):
    def code_size(clips):
        return jnp.mean(jnp.square(clips.codes))

    monkeypatch.setitem(losses.ENCODER_TERMS, "code_size", losses.Term(code_size))
    config = make_config(
        LossConfig(
            adversarial_weight=0.0,
            normality_weight=0.0,
            extra_weights=(("code_size", 0.5),),
            rollout_steps=4,
        )
    )
    state = random_state(config)
    assert "encoder" in state.generator
    after, metrics = step(state, config)
    assert float(metrics["loss/code_size"]) > 0
    moved = subtracted(state.generator["encoder"], after.generator["encoder"])
    assert optax.global_norm(moved) > 1e-6
    assert_trees_equal(after.generator["generator"], state.generator["generator"])


def test_the_weight_of_an_unknown_term_is_refused():
    config = make_config(LossConfig(extra_weights=(("kode_size", 0.5),)))
    with pytest.raises(ValueError, match="names kode_size; the terms are normality"):
        init_train_state(KEY, config=config)


def test_a_run_starts_with_its_average_and_a_normal_pool():
    config = dataclasses.replace(LATENTS_ONLY, data=DataConfig(batch_size=4000))
    init = jax.jit(init_train_state, static_argnames="config")
    state = init(jax.random.key(0), config=config)
    assert int(state.step) == 0
    assert_trees_equal(state.ema, state.generator)
    pool = np.asarray(state.latent_pool)
    assert pool.shape == (4000, 8)
    # Five standard errors of 32,000 values.
    np.testing.assert_allclose(pool.mean(), 0, atol=0.03)
    np.testing.assert_allclose(pool.var(), 1, atol=0.04)


def test_without_weights_there_is_no_encoder_and_no_discriminator():
    def parts(config):
        state = jax.eval_shape(lambda: init_train_state(KEY, config=config))
        return set(state.generator), bool(jax.tree.leaves(state.discriminator))

    assert parts(RELATIVISTIC) == ({"generator", "transition"}, True)
    assert parts(ENCODED) == ({"generator", "transition", "encoder"}, True)
    assert parts(LATENTS_ONLY) == ({"generator", "transition"}, False)


def test_before_its_start_step_the_adversarial_loss_has_no_gradient():
    state = random_state(ENCODED)
    after, metrics = step(state, ENCODED)
    assert_trees_equal(after.discriminator, state.discriminator)
    assert float(metrics["loss/generator"]) == 0.0
    expected = jax.jit(
        lambda params: jax.grad(encoder_loss, has_aux=True)(
            params,
            jax.tree.map(jnp.asarray, batch_of(film())),
            step_keys()[3],
            config=ENCODED,
        )[0]
    )(state.generator)
    assert_trees_close(
        subtracted(state.generator, after.generator), expected, rtol=2e-3, atol=2e-6
    )


def test_a_window_of_the_rollout_is_compared_with_the_film_of_its_steps():
    params = random_state(ENCODED).generator
    loss = jax.jit(encoder_loss, static_argnames="config")
    film_frames = models.from_uint8(film())
    mean, log_std = models.encode_posterior(
        params["encoder"], film_frames, config=MODEL
    )

    def errors_of_all_windows(key):
        noise = draws.normal(jax.random.split(key, 3)[0], mean.shape)
        code = (mean + jnp.exp(log_std) * noise)[0]
        _, latents = rollout(
            params["transition"], code, key, 0, num_steps=5, config=MODEL
        )
        generated = models.generate(params["generator"], latents, config=MODEL)
        parts = [slice(1, 3), slice(2, 4), slice(3, 5)]
        return [
            (
                losses.frame_error(generated[part], film_frames[part]),
                losses.change_error(generated[part], film_frames[part]),
            )
            for part in parts
        ]

    drawn = set()
    for key in jax.random.split(jax.random.key(3), 12):
        _, terms = loss(params, batch_of(film()), key, config=ENCODED)
        found = (terms["loss/rollout"], terms["loss/change"])
        matches = [
            np.allclose(found, errors, rtol=1e-5)
            for errors in errors_of_all_windows(key)
        ]
        assert sum(matches) == 1
        drawn.add(matches.index(True))
    assert drawn == {0, 1, 2}


@pytest.mark.parametrize(("index", "plays"), [(1, False), (2, True), (3, True)])
def test_the_adversarial_loss_begins_at_its_start_step(index, plays):
    state = random_state(ENCODED)._replace(step=np.int32(index))
    after, metrics = step(state, ENCODED)
    moved = largest_difference(after.discriminator, state.discriminator)
    assert (moved > 1e-6) == plays
    assert (float(metrics["loss/generator"]) > 0) == plays


def test_the_pool_is_where_the_rollout_ended():
    before = random_state(LATENTS_ONLY)
    for _ in range(2):
        after, _ = step(before, LATENTS_ONLY)
        final, _ = rollout(
            before.generator["transition"],
            before.latent_pool,
            KEY,
            0,
            num_steps=5,
            config=LATENTS_ONLY.model,
        )
        np.testing.assert_allclose(after.latent_pool, final, rtol=1e-4, atol=1e-5)
        before = after


def test_a_reset_pool_does_not_depend_on_where_it_was():
    state = random_state(RESET)
    elsewhere = state._replace(latent_pool=100 + state.latent_pool)
    one, other = (step(start, RESET)[0].latent_pool for start in (state, elsewhere))
    np.testing.assert_array_equal(one, other)
    kept = step(state, LATENTS_ONLY)[0].latent_pool
    assert np.abs(np.asarray(one) - kept).max() > 0.1
    again = step(state._replace(step=np.int32(1)), RESET)[0].latent_pool
    assert np.abs(np.asarray(one) - again).max() > 0.1


@pytest.mark.parametrize(
    ("index", "decay"),
    [
        (0, 1 / 10),  # (step + 1) / (step + 10): early averages are short
        (2, 3 / 12),
        (89, 0.5),  # 90 / 99 is beyond the config's 0.5
    ],
)
def test_the_average_moves_towards_the_new_weights(index, decay):
    state = random_state(LATENTS_ONLY)._replace(step=np.int32(index))
    state = state._replace(ema=jax.tree.map(lambda leaf: leaf + 1, state.generator))
    after, _ = step(state, LATENTS_ONLY)
    expected = jax.tree.map(
        lambda old, new: decay * old + (1 - decay) * new, state.ema, after.generator
    )
    assert_trees_close(after.ema, expected, rtol=1e-5, atol=1e-6)


def test_the_same_state_and_key_give_the_same_step():
    state = random_state(BCE_EXACT)
    one, other = step(state, BCE_EXACT), step(state, BCE_EXACT)
    assert_trees_equal(one, other)
    different, _ = step(state, BCE_EXACT, key=jax.random.key(6))
    assert largest_difference(one[0].generator, different.generator) > 0


def test_a_stored_state_continues_as_one_that_was_not_stored():
    def next_state(state, clips):
        return train_step(state, clips, KEY, config=BCE_EXACT)[0]

    whole = next_state(next_state(random_state(BCE_EXACT), film(1)), film(2))
    stored = jax.tree.map(np.asarray, next_state(random_state(BCE_EXACT), film(1)))
    resumed = next_state(stored, film(2))
    assert_trees_equal(resumed, whole)


def moving_square():
    """A bright square on a dark ground that moves right, at two heights."""
    clips = np.zeros((5, 2, 16, 16, 3), np.uint8)
    for t in range(5):
        for b, row in enumerate((2, 9)):
            clips[t, b, row : row + 5, 2 * t : 2 * t + 5] = (255, 160, 40)
    return clips


def test_the_encoder_learns_a_moving_square():
    config = make_config(
        dataclasses.replace(
            ENCODED.loss, adversarial_weight=0.0, adversarial_start_step=0
        ),
        optimizer=OptimizerConfig(learning_rate=5e-3, b1=0.9),
    )
    state = jax.jit(init_train_state, static_argnames="config")(
        jax.random.key(0), config=config
    )
    history = []
    for _ in range(40):
        state, metrics = train_step(state, moving_square(), KEY, config=config)
        history.append(
            [float(metrics[f"loss/{name}"]) for name in ("reconstruction", "rollout")]
        )
    first, last = np.mean(history[:3], axis=0), np.mean(history[-5:], axis=0)
    assert np.all(last < 0.6 * first), (first, last)


def test_the_flow_learns_from_codes_that_do_not_adapt_to_it():
    state = random_state(FLOW)
    after, metrics = step(state, FLOW)
    flow = state.generator["generator"]["flow"]
    moved = after.generator["generator"]["flow"]
    assert min(jax.tree.leaves(jax.tree.map(_difference, flow, moved))) > 0
    without = {**state.generator["generator"], "flow": moved}
    assert_trees_equal(after.generator, {**state.generator, "generator": without})
    # A small step along the gradient makes the codes more likely.
    small = dataclasses.replace(GRADIENT, learning_rate=0.01)
    slower = dataclasses.replace(FLOW, optimizer=small)
    after, _ = step(state, slower)
    _, later = step(after._replace(step=state.step), slower)
    assert later["loss/flow"] < metrics["loss/flow"]


def test_frozen_parameters_stay_while_the_others_learn():
    frozen = ("encoder", "generator/Upsample_0", "generator/Dense")
    optimizer = dataclasses.replace(GRADIENT, frozen=frozen)
    state = random_state(ENCODED)
    config = dataclasses.replace(ENCODED, optimizer=optimizer)
    state = state._replace(
        generator_optimizer=optimizers.for_generator(config).init(state.generator)
    )
    after, _ = step(state, config)
    before, after = (trees.named_leaves(s.generator) for s in (state, after))
    for name in before:
        differs = _difference(before[name], after[name]) > 0
        assert differs == (not name.startswith(frozen)), name


def test_a_frozen_name_that_no_parameter_has_is_an_error():
    optimizer = dataclasses.replace(GRADIENT, frozen=("decoder",))
    config = dataclasses.replace(ENCODED, optimizer=optimizer)
    with pytest.raises(ValueError, match="'decoder', but no parameter's name begins"):
        init_train_state(KEY, config=config)


def _difference(one, other):
    return float(np.abs(np.asarray(one) - np.asarray(other)).max())
