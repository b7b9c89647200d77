import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from duralava import losses, models
from duralava.config import (
    Config,
    DataConfig,
    LossConfig,
    OptimizerConfig,
    Phase,
    TrainingConfig,
)
from duralava.datasets.clips import Batch
from duralava.training import critics, step
from duralava.training.encoder import encode_clips
from duralava.training.state import init_train_state

pytestmark = pytest.mark.usefixtures("quick_compilation")

# With a learning rate of 1, a step of SGD subtracts the gradient.
GRADIENT = OptimizerConfig(
    name="sgd",
    learning_rate=1.0,
    still_learning_rate=1.0,
    motion_learning_rate=1.0,
    final_learning_rate_scale=1.0,
)
CONFIG = Config(
    data=DataConfig(clip_length=5, batch_size=2, windows=4, film_fps=6.0),
    model=dataclasses.replace(tiny.CRITICS, refresh=0.1),
    loss=tiny.CRITICS_LOSS,
    optimizer=GRADIENT,
    training=TrainingConfig(num_steps=100),
)
KEY = jax.random.key(5)

train_step = jax.jit(step.train_step, static_argnames="config")


def with_loss(config=CONFIG, **changes):
    return dataclasses.replace(config, loss=dataclasses.replace(config.loss, **changes))


STILL = with_loss(
    motion_weight=0.0,
    still_weight=0.5,
    adversarial_weight=0.6,
    adversarial_shift=0,
    still_penalty_weight=0.3,
    critic_penalty_scale=1.0,
    critic_penalty_share=1.0,
)
MOTION = with_loss(
    still_weight=0.0,
    adversarial_shift=0,
    motion_penalty_weight=0.3,
    critic_penalty_share=1.0,
)


@functools.cache
def random_state(config):
    """A state with random weights, biases too, as if before the first step."""
    shapes = jax.eval_shape(lambda: init_train_state(KEY, config=config))
    rng = np.random.default_rng(0)

    def random(tree, scale):
        return jax.tree.map(
            lambda leaf: (scale * rng.normal(size=leaf.shape)).astype(leaf.dtype), tree
        )

    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    return zeros._replace(
        generator=random(shapes.generator, 0.3),
        ema=random(shapes.ema, 0.3),
        discriminator=random(shapes.discriminator, 0.3),
        latent_pool=random(shapes.latent_pool, 1.0),
    )


def random_batch(config=CONFIG, seed=1):
    rng = np.random.default_rng(seed)
    data, size = config.data, config.model.resolution

    def frames(*shape):
        return rng.integers(0, 256, (*shape, size, size, 3)).astype(np.uint8)

    def places(*shape):
        pixel = 1 / size / rng.integers(1, 4, shape)
        corner = (1 - size * pixel) * rng.random((2, *shape))
        return np.stack([*corner, pixel], axis=-1).astype(np.float32)

    return Batch(
        clips=frames(data.clip_length, data.batch_size),
        views=frames(2, data.batch_size),
        view_places=places(2, data.batch_size),
        windows=frames(data.windows),
        places=places(data.windows),
    )


def make_step(config, *, index=0, batch=None):
    state = random_state(config)._replace(step=np.int32(index))
    batch = random_batch(config) if batch is None else batch
    return state, *train_step(state, batch, KEY, config=config)


def subtracted(before, after):
    return jax.tree.map(lambda a, b: np.asarray(a) - np.asarray(b), before, after)


def largest_difference(one, other):
    return max(np.abs(leaf).max() for leaf in jax.tree.leaves(subtracted(one, other)))


def assert_trees_close(actual, expected, **tolerance):
    actual, expected = (jax.tree.leaves_with_path(tree) for tree in (actual, expected))
    for (path, one), (other_path, other) in zip(actual, expected, strict=True):
        assert path == other_path
        name = jax.tree_util.keystr(path)
        np.testing.assert_allclose(one, other, err_msg=name, **tolerance)


def trajectory_of(config, transition):
    """The latents of a step without resets."""
    _, rollout_key, *_ = jax.random.split(jax.random.fold_in(KEY, 0), 4)
    return models.rollout(
        transition,
        random_state(config).latent_pool,
        rollout_key,
        0,
        num_steps=config.data.clip_length,
        config=config.model,
    )[1]


def pairs_of(name, config, generator, trajectory):
    """The pairs of the step, and the key of the adversary's only critic."""
    adversary_key = jax.random.split(jax.random.fold_in(KEY, 0), 4)[2]
    [key] = jax.random.split(adversary_key, 1)
    batch = jax.tree.map(jnp.asarray, random_batch(config))
    return critics.CRITICS[name].pairs(generator, batch, trajectory, key, config)


def test_a_step_moves_all_that_is_trained():
    before, after, metrics = make_step(CONFIG)
    assert set(before.discriminator) == {"still", "motion"}
    for part in ("generator", "discriminator"):
        old, new = getattr(before, part), getattr(after, part)
        for name in old:
            assert largest_difference(old[name], new[name]) > 1e-6, name
    for name in ("still", "motion"):
        expected = {
            f"loss/{name}_critic",
            f"loss/{name}_generator",
            f"{name}/margin",
            f"{name}/accuracy",
            f"{name}/gradient_penalty",
            f"{name}/gradient_penalty_weight",
        }
        assert expected <= set(metrics)
        assert 0 <= metrics[f"{name}/accuracy"] <= 1
    for name, value in metrics.items():
        assert jnp.shape(value) == () and np.isfinite(value), name


@pytest.mark.parametrize(("name", "config"), [("still", STILL), ("motion", MOTION)])
def test_one_forward_pass_gives_the_gradients_of_both_losses(name, config):
    """Both losses written as one function of all parameters each."""
    config = with_loss(config, reset_probability=0.0)
    before, after, metrics = make_step(config)
    assert set(before.discriminator) == {name}

    def logits(generator_side, critic):
        trajectory = trajectory_of(config, generator_side["transition"])
        pairs = pairs_of(name, config, generator_side["generator"], trajectory)
        score = functools.partial(critics.CRITICS[name].score, config=config)
        return (
            score,
            pairs,
            [
                score(critic, pictures, pairs.conditions)
                for pictures in (pairs.real, pairs.fake)
            ],
        )

    def critic_loss(critic):
        score, pairs, (real, fake) = logits(before.generator, critic)
        total = -jax.nn.log_sigmoid(real - fake).mean()
        for pictures in (pairs.real, pairs.fake):
            gradient = jax.grad(
                lambda pictures: score(critic, pictures, pairs.conditions).sum()
            )(pictures)
            penalty = jnp.square(gradient).sum() / len(pictures)
            total += 0.3 / 2 * penalty
        return total

    def generator_loss(generator_side):
        _, _, (real, fake) = logits(generator_side, before.discriminator[name])
        weight = config.loss.adversarial_weight * getattr(config.loss, f"{name}_weight")
        return -weight * jax.nn.log_sigmoid(fake - real).mean()

    critic_value, critic_gradient = jax.jit(jax.value_and_grad(critic_loss))(
        before.discriminator[name]
    )
    tolerance = {"rtol": 2e-3, "atol": 2e-5}
    assert_trees_close(
        subtracted(before.discriminator[name], after.discriminator[name]),
        critic_gradient,
        **tolerance,
    )
    value = metrics[f"loss/{name}_critic"] + 0.3 * metrics[f"{name}/gradient_penalty"]
    np.testing.assert_allclose(value, critic_value, rtol=1e-4)
    assert_trees_close(
        subtracted(before.generator, after.generator),
        jax.jit(jax.grad(generator_loss))(before.generator),
        **tolerance,
    )


def test_margin_and_accuracy_are_of_the_pairs():
    before, _, metrics = make_step(STILL)
    trajectory = trajectory_of(STILL, before.generator["transition"])
    pairs = pairs_of("still", STILL, before.generator["generator"], trajectory)
    real, fake = (
        critics.CRITICS["still"].score(
            before.discriminator["still"], pictures, pairs.conditions, STILL
        )
        for pictures in (pairs.real, pairs.fake)
    )
    np.testing.assert_allclose(metrics["still/margin"], (real - fake).mean(), rtol=1e-3)
    assert metrics["still/accuracy"] == (real > fake).mean()


@pytest.mark.parametrize(
    ("index", "critics_learn", "generator_learns"),
    [(1, False, False), (2, True, False), (4, True, False), (5, True, True)],
)
def test_critics_learn_alone_first(index, critics_learn, generator_learns):
    config = with_loss(adversarial_start_step=2, critic_lead_steps=3)
    before, after, _ = make_step(config, index=index)
    moved = largest_difference(before.discriminator, after.discriminator)
    assert (moved > 1e-6) == critics_learn
    moved = largest_difference(before.generator, after.generator)
    assert (moved > 1e-7) == generator_learns


@pytest.mark.parametrize(("share", "rounds"), [(1 / 4, 4), (1 / 2, 2), (0.01, 8)])
def test_penalties_of_parts_are_the_whole_penalty_in_the_mean(share, rounds):
    """Each group of pictures is in one of the parts."""
    rng = np.random.default_rng(0)
    real, fake, conditions = (
        jnp.asarray(rng.normal(size=(16, *shape))) for shape in ((5, 3), (5, 3), ())
    )

    def score(pictures, conditions):
        """Depends on both pictures of a group of two."""
        pairs = jnp.tanh(pictures).sum((1, 2)).reshape(-1, 2)
        return (pairs * pairs[:, ::-1]).reshape(-1) * conditions

    def penalty(shift, share):
        pairs = critics.Pairs(
            *(jnp.roll(x, 2 * shift, axis=0) for x in (real, fake, conditions)),
            pull=None,
        )
        return critics.gradient_penalty(score, pairs, share=share, group=2)

    parts = [float(penalty(shift, share)) for shift in range(rounds)]
    assert np.std(parts) > 0.01
    np.testing.assert_allclose(np.mean(parts), penalty(0, 1.0), rtol=1e-5)


def test_the_weight_of_penalties_falls_along_a_cosine():
    config = with_loss(
        adversarial_start_step=20,
        still_penalty_weight=2.0,
        motion_penalty_weight=0.5,
        critic_penalty_scale=0.1,
    )
    weights = [
        [float(critics.penalty_weight(name, i, config=config)) for i in (20, 60, 100)]
        for name in ("still", "motion")
    ]
    np.testing.assert_allclose(weights, [[2, 1.1, 0.2], [0.5, 0.275, 0.05]], rtol=1e-5)


def test_the_encoder_terms_fall_along_a_cosine():
    config = with_loss(encoder_scale=0.2)
    scales = [float(step.encoder_scale(i, config=config)) for i in (0, 50, 100, 120)]
    np.testing.assert_allclose(scales, [1, 0.6, 0.2, 0.2], rtol=1e-5)
    assert float(step.encoder_scale(70, config=CONFIG)) == 1.0


def test_the_scale_of_the_encoder_terms_scales_their_gradient():
    encoded = dataclasses.replace(
        tiny.ENCODER_LOSS, window_weight=0.5, slope_weight=0.3, encoder_scale=0.2
    )
    config = dataclasses.replace(CONFIG, loss=encoded)
    moves = [
        subtracted(before.generator, after.generator)
        for before, after, _ in (
            make_step(config, index=0),
            make_step(dataclasses.replace(config, training=TrainingConfig(1)), index=1),
        )
    ]
    sizes = [float(optax.global_norm(move)) for move in moves]
    assert sizes[0] > 0
    assert 0.1 < sizes[1] / sizes[0] < 0.4  # of other noise


def test_windows_are_decoded_at_their_places():
    """The window of a frame generated from a code is compared with that of the film."""
    loss = dataclasses.replace(tiny.ENCODER_LOSS, window_weight=1.0)
    config = dataclasses.replace(CONFIG, loss=loss)
    params = random_state(config).generator
    batch = random_batch(config)
    encoded = encode_clips(params, batch, KEY, config=config)
    places = models.Window(*np.moveaxis(batch.view_places, -1, 0))
    expected = models.generate(
        params["generator"],
        jnp.stack([encoded.codes[0], encoded.codes[-1]]),
        window=places,
        config=config.model,
    )
    np.testing.assert_allclose(encoded.views, expected, atol=1e-5)
    np.testing.assert_array_equal(encoded.film_views, models.from_uint8(batch.views))


def test_moments_of_short_clips_lie_in_the_clip_with_their_spacing():
    config = dataclasses.replace(
        CONFIG, data=dataclasses.replace(CONFIG.data, clip_length=9)
    )
    config = with_loss(config, motion_frames=3, motion_spacing=4)
    spacing, moments = critics.random_moments(KEY, 4000, num_steps=9, config=config)
    assert moments.shape == (3, 4000)
    np.testing.assert_array_equal(
        np.diff(moments, axis=0), np.broadcast_to(spacing, (2, 4000))
    )
    assert moments.min() == 0 and moments.max() == 8
    # Spacing d has a share of log(1 + 1 / d) / log 5; four standard errors.
    shares = [np.mean(spacing == d) for d in range(1, 5)]
    expected = np.log1p(1 / np.arange(1, 5)) / np.log(5)
    np.testing.assert_allclose(shares, expected, atol=0.032)
    starts = moments[0][spacing == 1]
    assert set(np.asarray(starts).tolist()) == set(range(7))


def test_motion_pairs_are_frames_of_the_clips():
    config = dataclasses.replace(
        MOTION, model=dataclasses.replace(CONFIG.model, motion_size=16)
    )
    state, batch = random_state(config), random_batch(config)
    trajectory = trajectory_of(config, state.generator["transition"])
    pairs = critics.motion_pairs(
        state.generator["generator"], batch, trajectory, KEY, config
    )
    film = np.moveaxis(np.asarray(models.from_uint8(batch.clips)), 1, 0)
    frames = models.generate(
        state.generator["generator"], trajectory, config=config.model
    )
    generated = np.moveaxis(np.asarray(frames), 1, 0)
    for lamp in range(2):
        spacing = round(float(pairs.conditions[lamp]) * config.data.steps_per_second)
        [start] = [
            t
            for t in range(5 - spacing)
            if np.array_equal(film[lamp, t], pairs.real[lamp, 0])
        ]
        moments = [start, start + spacing]
        np.testing.assert_array_equal(pairs.real[lamp], film[lamp, moments])
        np.testing.assert_allclose(
            pairs.fake[lamp], generated[lamp, moments], atol=1e-5
        )


def test_still_pairs_are_windows_at_the_places_of_the_film():
    config = with_loss(STILL, still_far=0.5)
    state, batch = random_state(config), random_batch(config)
    trajectory = jnp.arange(5.0 * 2 * 8).reshape(5, 2, 8) / 40 - 1
    pairs = critics.still_pairs(
        state.generator["generator"], batch, trajectory, KEY, config
    )
    np.testing.assert_array_equal(pairs.real, models.from_uint8(batch.windows))
    np.testing.assert_array_equal(jnp.stack(pairs.conditions, -1), batch.places)
    carried = [
        models.generate(
            state.generator["generator"],
            latents,
            window=models.Window(*batch.places[:2].T),
            config=config.model,
        )
        for latents in trajectory
    ]
    assert any(np.allclose(frames, pairs.fake[:2], atol=1e-5) for frames in carried)


def test_carried_lamps_train_the_transition():
    config = with_loss(STILL, still_far=0.5)
    before, after, _ = make_step(config)
    moved = largest_difference(
        before.generator["transition"], after.generator["transition"]
    )
    assert moved > 1e-6
    before, after, _ = make_step(STILL)
    moved = largest_difference(
        before.generator["transition"], after.generator["transition"]
    )
    assert moved == 0


def test_real_and_generated_pictures_move_alike_by_whole_pixels():
    config = with_loss(adversarial_shift=2)
    pictures = np.random.default_rng(0).normal(size=(40, 2, 16, 16, 3))
    pictures = pictures.astype(np.float32)
    transform, flipped = critics.augmentation(KEY, 40, config=config)
    moved = transform(pictures)
    assert not np.any(flipped)
    seen = set()
    for picture, found in zip(pictures, moved, strict=True):
        wide = np.pad(picture, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
        [corner] = [
            (row, column)
            for row in range(5)
            for column in range(5)
            if np.array_equal(wide[:, row : row + 16, column : column + 16], found)
        ]
        seen.add(corner)
    assert len(seen) > 12


def mirrored_film(config):
    return dataclasses.replace(
        config, data=dataclasses.replace(config.data, horizontal_flip=True)
    )


def test_mirrored_windows_have_mirrored_places():
    config = dataclasses.replace(
        mirrored_film(STILL), loss=dataclasses.replace(STILL.loss, critic_flip=True)
    )
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, windows=16)
    )
    state, batch = random_state(config), random_batch(config)
    trajectory = jnp.zeros((5, 2, 8))
    pairs = critics.still_pairs(
        state.generator["generator"], batch, trajectory, KEY, config
    )
    film = np.asarray(models.from_uint8(batch.windows))
    places = batch.places.copy()
    mirrored = np.array(
        [np.array_equal(a[:, ::-1], b) for a, b in zip(film, pairs.real, strict=True)]
    )
    assert 2 < mirrored.sum() < 14
    places[mirrored, 0] = 1 - places[mirrored, 0] - 16 * places[mirrored, 2]
    np.testing.assert_allclose(jnp.stack(pairs.conditions, -1), places, atol=1e-6)


def test_each_critic_has_its_learning_rate_and_steps_of_adam_without_momentum():
    optimizer = OptimizerConfig(
        still_learning_rate=0.02,
        motion_learning_rate=0.003,
        final_learning_rate_scale=1.0,
    )
    before, after, _ = make_step(dataclasses.replace(CONFIG, optimizer=optimizer))
    for name, rate in (("still", 0.02), ("motion", 0.003)):
        moves = jax.tree.leaves(
            subtracted(before.discriminator[name], after.discriminator[name])
        )
        sizes = np.abs(np.concatenate([move.ravel() for move in moves]))
        # The first step of Adam is as long as the rate, where there is a gradient.
        assert np.median(sizes[sizes > 0]) == pytest.approx(rate, rel=1e-3)
        assert sizes.max() <= rate * 1.001


def test_a_resumed_run_with_critics_equals_one_that_never_stopped(train_tiny, tmp_path):
    """Of film that is larger than its frames, in two phases."""
    model = dataclasses.replace(
        tiny.CRITICS, resolution=8, feature_size=8, motion_size=8
    )
    data = dataclasses.replace(
        tiny.CONFIG.data, windows=4, horizontal_flip=True, clip_length=4
    )
    encoder = dataclasses.replace(tiny.ENCODER_LOSS, window_weight=1.0)
    both = dataclasses.replace(
        tiny.CRITICS_LOSS,
        critic_lead_steps=1,
        critic_flip=True,
        still_far=0.5,
        reconstruction_weight=1.0,
        window_weight=1.0,
        slope_weight=1.0,
        rollout_steps=3,
        rollout_frames=2,
        encoder_scale=0.5,
    )
    training = TrainingConfig(num_steps=3, log_every=1)
    config = Config(
        data=data,
        model=model,
        loss=encoder,
        training=training,
        then=(
            Phase(
                loss=both,
                optimizer=OptimizerConfig(ema_half_life=100),
                training=training,
            ),
        ),
    )
    for _ in range(4):
        train_tiny(config, tmp_path / "a", max_seconds=0)
    resumed = train_tiny(config, tmp_path / "a")
    whole = train_tiny(config, tmp_path / "b")
    assert resumed.step == whole.step == 3
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)
    assert largest_difference(whole.generator, whole.ema) > 0


def test_the_average_has_a_half_life_in_clips_and_windows():
    """Of 12 pictures with 2 clips and 4 windows a step: decay 0.5^(1/2)."""
    optimizer = dataclasses.replace(GRADIENT, ema_half_life=12)
    config = dataclasses.replace(CONFIG, optimizer=optimizer)
    before, after, _ = make_step(config, index=500)
    decay = 0.5**0.5
    expected = jax.tree.map(
        lambda old, new: decay * old + (1 - decay) * new, before.ema, after.generator
    )
    assert_trees_close(after.ema, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("section", "changes", "says"),
    [
        ("data", {"windows": 3}, r"multiple of model.still_group \(2\), not 3"),
        ("data", {"windows": 0}, "not 0"),
        ("data", {"clip_length": 3}, "span 4 steps, but data.clip_length is 3"),
        ("loss", {"motion_clips": 3}, r"at most data.batch_size \(2\), not 3"),
        ("loss", {"critic_flip": True}, "is for film with data.horizontal_flip"),
        ("loss", {"still_weight": 0.0, "motion_weight": 0.0}, "must be above 0"),
        ("model", {"motion_size": 12}, "layers do not lead from 12"),
        ("model", {"still_blocks": (1, 1)}, "must have 1 entries"),
    ],
)
def test_configs_that_do_not_fit_the_critics_are_refused(section, changes, says):
    part = dataclasses.replace(getattr(CONFIG, section), **changes)
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(CONFIG, **{section: part})


def test_an_unknown_adversary_is_refused():
    config = with_loss(adversary="jury")
    with pytest.raises(ValueError, match="'jury'; it can be one of discriminator, cri"):
        init_train_state(KEY, config=config)


def test_critics_without_an_encoder_learn_to_draw_a_disc():
    """Generated frames come nearer to film of one picture."""
    data = dataclasses.replace(CONFIG.data, windows=8, batch_size=4)
    config = Config(
        data=data,
        model=tiny.CRITICS,
        loss=LossConfig(
            adversary="critics",
            motion_weight=0.0,
            normality_weight=0.0,
            still_penalty_weight=0.1,
        ),
        optimizer=OptimizerConfig(learning_rate=5e-3, b1=0.0, still_learning_rate=5e-3),
    )
    y, x = np.mgrid[:16, :16]
    picture = np.where(np.hypot(x - 7.5, y - 7.5) < 5, 230, 30)[..., None]
    picture = np.broadcast_to(picture, (16, 16, 3)).astype(np.uint8)
    batch = random_batch(config)._replace(
        windows=np.broadcast_to(picture, (8, 16, 16, 3)),
        places=np.broadcast_to(np.float32([0, 0, 1 / 16]), (8, 3)),
    )
    state = jax.jit(init_train_state, static_argnames="config")(KEY, config=config)
    latents = tiny.normal(5, 8, 8)

    def error(state):
        frames = models.generate(
            state.generator["generator"], latents, config=config.model
        )
        return float(losses.frame_error(frames, models.from_uint8(picture)))

    before = error(state)
    for _ in range(150):
        state, _ = train_step(state, batch, KEY, config=config)
    assert error(state) < 0.5 * before
