import numpy as np
import pytest
import scipy.linalg

from duralava.evaluation.linear_texture import (
    fit_linear_texture,
    sample_linear_texture,
)

SIZE = 8
DECAY, TURN = 0.95, 0.3
ROTATION = DECAY * np.array(
    [[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]]
)


def system_film(num_frames=20_000, seed=0):
    """Film of a damped rotation of two patterns; its states are N(0, I)."""
    rng = np.random.default_rng(seed)
    patterns = np.linalg.qr(rng.standard_normal((SIZE * SIZE * 3, 2)))[0].T
    patterns *= np.array([[150], [90]])
    states = np.empty((num_frames, 2))
    state = rng.standard_normal(2)
    for index in range(num_frames):
        states[index] = state
        state = ROTATION @ state + np.sqrt(1 - DECAY**2) * rng.standard_normal(2)
    frames = 120 + (states @ patterns).reshape(-1, SIZE, SIZE, 3)
    return np.clip(np.round(frames), 0, 255).astype(np.uint8), patterns


def pixels(frames):
    return frames.reshape(-1, SIZE * SIZE * 3).astype(np.float64)


@pytest.fixture(scope="module")
def linear():
    film, patterns = system_film()
    return film, patterns, fit_linear_texture([film[:9000], film[9000:]], 2)


def stationary_covariance(texture):
    return scipy.linalg.solve_discrete_lyapunov(
        texture.transition, texture.noise @ texture.noise.T
    )


def test_the_eigenvalues_of_a_known_system_are_recovered(linear):
    _, _, texture = linear
    eigenvalues = np.linalg.eigvals(texture.transition)
    np.testing.assert_allclose(np.abs(eigenvalues), DECAY, atol=0.01)
    np.testing.assert_allclose(np.abs(np.angle(eigenvalues)), TURN, atol=0.01)


def test_the_stationary_covariance_of_a_known_system_is_recovered(linear):
    film, patterns, texture = linear
    np.testing.assert_allclose(stationary_covariance(texture), np.eye(2), atol=1e-9)
    fitted = texture.patterns.reshape(2, -1)
    covariance = fitted.T @ fitted
    true = patterns.T @ patterns
    # 20,000 frames with a correlation time of about 20 are a thousand draws.
    assert np.linalg.norm(covariance - true) < 0.1 * np.linalg.norm(true)
    # It equals the film's own covariance up to rounding to whole levels.
    own = np.cov(pixels(film).T, bias=True)
    assert np.linalg.norm(covariance - own) < 0.01 * np.linalg.norm(own)


def test_sampled_frames_have_the_mean_and_variance_of_the_film(linear):
    film, _, texture = linear
    clips = sample_linear_texture(texture, 1500, 20, rng=np.random.default_rng(1))
    assert clips.shape == (20, 1500, SIZE, SIZE, 3) and clips.dtype == np.uint8
    for moment in (clips[0], clips[-1]):
        np.testing.assert_allclose(
            pixels(moment).mean(axis=0), pixels(film).mean(axis=0), atol=2.5
        )
        varies = film.var(axis=0) > 10
        ratio = moment.var(axis=0)[varies] / film.var(axis=0)[varies]
        np.testing.assert_allclose(ratio, 1, atol=0.2)
        assert abs(np.median(ratio) - 1) < 0.1


def test_sampled_clips_have_the_lagged_covariance_of_the_film(linear):
    film, _, texture = linear
    clips = sample_linear_texture(texture, 1000, 6, rng=np.random.default_rng(2))

    def lagged(first, second):
        first, second = pixels(first), pixels(second)
        return (first - first.mean(0)).T @ (second - second.mean(0)) / len(first)

    expected = lagged(film[:-5], film[5:])
    error = lagged(clips[0], clips[5]) - expected
    assert np.linalg.norm(error) < 0.15 * np.linalg.norm(expected)


@pytest.mark.parametrize("rank", [1, 4, 64])
def test_it_is_stable_where_least_squares_is_not(rank):
    # A film whose contrast grows by a tenth in each step.
    level = 100 + np.outer(1.1 ** np.arange(45), [1, 1.5, 2])
    film = np.broadcast_to(level[:, None, None], (45, SIZE, SIZE, 3)).round()
    film = film.astype(np.uint8)
    x = pixels(film) - pixels(film).mean(axis=0)
    x = x @ np.linalg.svd(x)[2][0]
    assert (x[:-1] @ x[1:]) / (x[:-1] @ x[:-1]) > 1.05
    texture = fit_linear_texture([film], rank)
    assert np.abs(np.linalg.eigvals(texture.transition)).max() < 1
    kept = len(texture.transition)
    np.testing.assert_allclose(stationary_covariance(texture), np.eye(kept), atol=1e-6)


def test_components_equal_the_singular_value_decomposition():
    rng = np.random.default_rng(0)
    waves = rng.standard_normal((40, 30)) * 0.8 ** np.arange(30)
    film = 128 + 20 * waves @ rng.standard_normal((30, SIZE * SIZE * 3))
    film = np.clip(film, 0, 255).astype(np.uint8).reshape(40, SIZE, SIZE, 3)
    texture = fit_linear_texture([film], 10)
    x = pixels(film) - pixels(film).mean(axis=0)
    expected = np.linalg.svd(x, compute_uv=False)[:10] / np.sqrt(len(x))
    lengths = np.linalg.norm(texture.patterns.reshape(10, -1), axis=1)
    np.testing.assert_allclose(lengths, expected, rtol=1e-4)


def test_still_film_stays_still():
    film = np.full((10, SIZE, SIZE, 3), 77, np.uint8)
    texture = fit_linear_texture([film])
    clips = sample_linear_texture(texture, 2, 3, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(clips, 77)


@pytest.mark.parametrize("shapes", [[], [(9, 8, 8, 3), (9, 4, 8, 3)], [(1, 8, 8, 3)]])
def test_unusable_film_is_refused(shapes):
    with pytest.raises(ValueError, match="segment"):
        fit_linear_texture([np.zeros(shape, np.uint8) for shape in shapes])
