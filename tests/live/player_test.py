import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from live_cases import CASES
from scipy import stats

from duralava import models
from duralava.lamp import interpolate
from duralava.live import player


@pytest.fixture(scope="module", params=[tiny.MODEL, tiny.FIELD], ids=["fixed", "any"])
def lamp(request):
    return tiny.lamp(
        of=request.param,
        with_encoder=False,
        generator_hidden=16,
        transition_layers=2,
        refresh=0.1,
    )


@pytest.fixture(scope="module")
def start(lamp):
    """The lamp as it starts."""
    return player.begin(lamp, lamp.start(2))


@pytest.fixture(scope="module")
def trajectory(lamp):
    latents, key, _ = lamp.start(2)
    return lamp.rollout(latents, key, num_steps=12)[1]


def test_a_player_follows_the_rollout(lamp, start, trajectory):
    state = start
    for step in range(10):
        np.testing.assert_allclose(state.before, trajectory[step], atol=1e-5)
        np.testing.assert_allclose(state.after, trajectory[step + 1], atol=1e-5)
        assert (state.step, state.share) == (step, 0)
        state = player.advance(lamp, state, 1)


def test_steps_and_share_add_up(lamp, start):
    state = start
    for tick in CASES["advance"]["ticks"]:
        state = player.advance(lamp, state, tick["num_steps"])
        assert (state.step, state.share) == (tick["step"], tick["share"])


def test_parts_of_steps_add_up(lamp, start, trajectory):
    state = start
    for _ in range(30):
        state = player.advance(lamp, state, 0.25)
    assert (state.step, state.share) == (7, 0.5)
    np.testing.assert_allclose(state.before, trajectory[7], atol=1e-5)
    at_once = player.advance(lamp, start, 7.5)
    np.testing.assert_array_equal(at_once.after, state.after)


@pytest.mark.parametrize("case", CASES["interpolation"]["cases"])
def test_a_latent_between_two_steps(case):
    first, second = (jnp.float32(case[name]) for name in ("first", "second"))
    latent = interpolate(first, second, jnp.float32(case["share"]))
    np.testing.assert_allclose(latent, case["latent"], atol=1e-6)


def test_a_frame_shows_the_latent_between_two_steps(lamp, start, trajectory):
    between = interpolate(trajectory[3], trajectory[4], jnp.full(1, 0.25))
    size = lamp.drawn_size(None, default=player.FRAME_SIZE)
    frame = models.generate(
        lamp.params["generator"], between, size=size, config=lamp.config
    )
    expected = np.int16(models.to_uint8(frame)[0])
    picture = player.render_frame(lamp, player.advance(lamp, start, 3.25))
    assert picture.dtype == np.uint8
    assert np.abs(picture - expected).max() <= 1


def test_a_touch_turns_the_latent_for_as_long_as_it_lasts(lamp, start):
    gradients = np.zeros((2, 2, 8), np.float32)
    gradients[..., 0] = 1.0
    seconds = CASES["touch"]["seconds"]
    assert seconds == player.PUSH_SECONDS
    halfway = player.push(lamp, start, gradients, 0.5, 0.5, seconds / 2)
    touched = player.push(lamp, halfway, gradients, 0.5, 0.5, seconds / 2)
    lengths = [np.linalg.norm(one.before) for one in (start, halfway, touched)]
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-5)
    angles = [
        np.arccos(one.before[0, 0] / lengths[0]) for one in (start, halfway, touched)
    ]
    expected = -CASES["touch"]["speed"] * seconds / 2
    np.testing.assert_allclose(np.diff(angles), expected, atol=1e-4)
    # The lamp goes on from there.
    after = lamp.rollout(touched.before, start.key, 0, num_steps=1)[0]
    np.testing.assert_allclose(touched.after, after, atol=1e-6)


def test_a_lamp_runs_on_from_the_latent_to_which_it_is_set(lamp, start):
    latent = np.linspace(-2, 2, 8, dtype=np.float32)
    placed = player.place(lamp, player.advance(lamp, start, 3.7), latent.tolist())
    np.testing.assert_allclose(player.shown_latent(placed), latent, atol=1e-6)
    assert (placed.step, placed.share) == (3, 0)
    later = player.advance(lamp, placed, 1.5)
    _, trajectory = lamp.rollout(jnp.asarray(latent[None]), start.key, 3, num_steps=3)
    between = interpolate(trajectory[1], trajectory[2], jnp.full(1, 0.5))
    np.testing.assert_allclose(player.shown_latent(later), between[0], atol=1e-5)


@pytest.mark.parametrize("case", CASES["health"]["cases"])
def test_health_of_a_latent(case):
    found = player.latent_health(np.float32(case["latent"]))
    assert found.mean == pytest.approx(case["mean"], abs=1e-6)
    assert found.std == pytest.approx(case["std"], abs=1e-6)
    assert found.normal == case["normal"]


def test_bounds_of_two_values_have_a_closed_form():
    bounds = player.normal_bounds(2)._asdict()
    assert bounds == pytest.approx(CASES["health"]["bounds"], rel=1e-9)


def test_one_sample_of_n_0_1_in_a_thousand_fails():
    rng = np.random.default_rng(0)

    def passed(latents):
        return np.mean([player.latent_health(z).normal for z in latents])

    samples = rng.normal(size=(5000, 64))
    failed = round(5000 * (1 - passed(samples)))
    assert stats.binom.cdf(failed, 5000, 0.001) < 0.999
    assert passed(samples[:500] * 1.6) < 0.05
    assert passed(samples[:500] * 0.5) < 0.05
    assert passed(samples[:500] + 0.8) < 0.05
    one = player.latent_health(samples[0] * 2 + 1)
    assert one.mean == pytest.approx(samples[0].mean() * 2 + 1)
    assert one.std == pytest.approx(samples[0].std() * 2)
