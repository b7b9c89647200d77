import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from duralava import models, trees
from duralava.datasets import clips
from duralava.training import codes, second_stage

SIZE = tiny.SIZE
SHORT = second_stage.Schedule(density_steps=2, joint_steps=2)


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    shape = {"flow_layers": 2, "flow_hidden": 16}
    shape |= {"transition_layers": 1, "transition_hidden": 8}
    monkeypatch.setattr(second_stage, "_SHAPE", second_stage._SHAPE | shape)


@pytest.fixture(scope="module")
def lamp():
    return tiny.lamp(of=tiny.FIELD, steps_per_second=10.0)


@pytest.fixture(scope="module")
def film():
    """A bright square on a circle, of other brightness each time."""
    rng = np.random.default_rng(0)
    frames = np.full((150, SIZE, SIZE, 3), 20, np.uint8)
    for index, frame in enumerate(frames):
        row, column = (round(6 + 5 * f(index / 8)) for f in (np.sin, np.cos))
        frame[row : row + 5, column : column + 5] = rng.integers(60, 255, 3)
    return clips.Film(frames, fps=10.0)


def density(lamp, some):
    """Mean of -log p of codes per value, without the constant."""
    _, log_density = models.latents_of(
        lamp.params["generator"], some.reshape(-1, SIZE // 2), config=lamp.config
    )
    return -float(log_density.mean()) / tiny.LATENT_SIZE


def test_encoder_and_generator_are_kept(lamp, film):
    shares, lines = [], []
    second = second_stage.train_second_stage(
        lamp, film, schedule=SHORT, on_share=shares.append, on_line=lines.append
    )
    found = trees.named_leaves(second.params)
    for name, leaf in trees.named_leaves(lamp.params).items():
        if not name.startswith("transition/"):
            assert np.array_equal(leaf, found[name]), name
    assert shares == sorted(shares) and shares[-1] == 1
    assert [line.split(":")[0] for line in lines[:2]] == ["step 2 of 2"] * 2
    assert sum("times as much as those of the film" in line for line in lines) == 4


def test_a_flow_for_little_film_is_not_worse_than_a_normal_distribution(lamp, film):
    """It has far more parameters than the film has states."""
    lines = []
    second = second_stage.train_second_stage(
        lamp,
        film,
        schedule=dataclasses.replace(SHORT, density_steps=1_000),
        on_line=lines.append,
    )
    assert any("back to the best, with a lower rate" in line for line in lines)
    seen = codes.encode_film(lamp, film, mirrored=False)
    learned, checked = seen[:, :135], seen[:, 135:]
    flat = learned.reshape(-1, tiny.LATENT_SIZE).astype(float)
    start = models.init_normal_flow(
        jax.random.key(0),
        flat.mean(axis=0),
        np.cov(flat, rowvar=False) + 0.05**2 * np.eye(tiny.LATENT_SIZE),
        config=second.config,
    )
    params = second.params | {"generator": second.params["generator"] | {"flow": start}}
    normal = dataclasses.replace(second, params=params)
    assert density(second, checked) < density(normal, checked) + 0.1


def test_time_limits_the_steps(lamp, film):
    lines = []
    second_stage.train_second_stage(
        lamp,
        film,
        schedule=second_stage.Schedule(10**9, 10**9, seconds=0.3),
        on_line=lines.append,
    )
    steps = [int(line.split()[3].rstrip(":")) for line in lines if "step" in line]
    assert all(1 <= count < 10_000 for count in steps)


def test_it_can_be_stopped(lamp, film):
    asked = []
    second_stage.train_second_stage(
        lamp,
        film,
        schedule=second_stage.Schedule(10**9, 10**9),
        stops=lambda: asked.append(0) or len(asked) > 3,
    )
    assert len(asked) == 5  # and once for the second part


def test_a_lamp_without_an_encoder_is_refused(film):
    lamp = tiny.lamp(of=tiny.FIELD, with_encoder=False)
    with pytest.raises(ValueError, match="have no encoder"):
        second_stage.train_second_stage(lamp, film, schedule=SHORT)


def test_a_dense_transition_has_terms_of_its_own():
    """Of latents that are constant, all moments but the mean are wrong."""
    config = tiny.model(flow_layers=1, transition="mlp")
    key = jax.random.key(0)
    params = models.init_networks(key, config=config, with_encoder=False)
    params["flow"] = models.init_normal_flow(key, np.zeros(8), np.eye(8), config=config)
    film = tiny.normal(0, 7, 4, 8)
    batch = codes.Batch(film[0], film)

    def terms(carried):
        _, (found, _) = second_stage.second_stage_loss(
            params,
            batch,
            carried,
            key,
            roots=jnp.eye(8),
            config=config,
            density_only=False,
        )
        return found

    normal = terms(tiny.normal(1, 500, 8))
    constant = terms(jnp.zeros((500, 8)))
    assert normal["normality"] < 0.3 and normal["std"] == pytest.approx(1, abs=0.05)
    assert constant["normality"] > 5
    # Fresh networks hardly move, and these codes are new at each step.
    assert normal["far motion"] > 1
    assert not {"normality", "far motion"} & set(terms(jnp.zeros((0, 8))))
