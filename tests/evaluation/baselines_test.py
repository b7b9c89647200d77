import numpy as np
import pytest
import scipy.linalg

from duralava.evaluation import baselines

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
    return film, patterns, baselines.fit_linear_texture([film[:9000], film[9000:]], 2)


def stationary_covariance(texture):
    return scipy.linalg.solve_discrete_lyapunov(
        texture.transition, texture.noise @ texture.noise.T
    )


def test_a_known_system_gets_its_eigenvalues_back(linear):
    _, _, texture = linear
    eigenvalues = np.linalg.eigvals(texture.transition)
    np.testing.assert_allclose(np.abs(eigenvalues), DECAY, atol=0.01)
    np.testing.assert_allclose(np.abs(np.angle(eigenvalues)), TURN, atol=0.01)


def test_a_known_system_gets_its_stationary_covariance_back(linear):
    film, patterns, texture = linear
    np.testing.assert_allclose(stationary_covariance(texture), np.eye(2), atol=1e-9)
    fitted = texture.patterns.reshape(2, -1)
    covariance = fitted.T @ fitted
    true = patterns.T @ patterns
    # 20,000 frames of a correlation time of some 20 are a thousand draws.
    assert np.linalg.norm(covariance - true) < 0.1 * np.linalg.norm(true)
    # The film's own covariance it has but for rounding to whole levels.
    own = np.cov(pixels(film).T, bias=True)
    assert np.linalg.norm(covariance - own) < 0.01 * np.linalg.norm(own)


def test_sampled_frames_have_the_mean_and_variance_of_the_film(linear):
    film, _, texture = linear
    clips = baselines.sample_linear_texture(
        texture, 1500, 20, rng=np.random.default_rng(1)
    )
    assert clips.shape == (20, 1500, SIZE, SIZE, 3) and clips.dtype == np.uint8
    for moment in (clips[0], clips[-1]):
        np.testing.assert_allclose(
            pixels(moment).mean(axis=0), pixels(film).mean(axis=0), atol=2.5
        )
        varies = film.var(axis=0) > 10
        ratio = moment.var(axis=0)[varies] / film.var(axis=0)[varies]
        np.testing.assert_allclose(ratio, 1, atol=0.2)
        assert abs(np.median(ratio) - 1) < 0.1


def test_sampled_clips_turn_as_the_film_does(linear):
    film, _, texture = linear
    clips = baselines.sample_linear_texture(
        texture, 1000, 6, rng=np.random.default_rng(2)
    )

    def lagged(first, second):
        first, second = pixels(first), pixels(second)
        return (first - first.mean(0)).T @ (second - second.mean(0)) / len(first)

    expected = lagged(film[:-5], film[5:])
    error = lagged(clips[0], clips[5]) - expected
    assert np.linalg.norm(error) < 0.15 * np.linalg.norm(expected)


@pytest.mark.parametrize("rank", [1, 4, 64])
def test_it_is_stable_where_least_squares_is_not(rank):
    # What grows by a tenth each step.
    level = 100 + np.outer(1.1 ** np.arange(45), [1, 1.5, 2])
    film = np.broadcast_to(level[:, None, None], (45, SIZE, SIZE, 3)).round()
    film = film.astype(np.uint8)
    x = pixels(film) - pixels(film).mean(axis=0)
    x = x @ np.linalg.svd(x)[2][0]
    assert (x[:-1] @ x[1:]) / (x[:-1] @ x[:-1]) > 1.05
    texture = baselines.fit_linear_texture([film], rank)
    assert np.abs(np.linalg.eigvals(texture.transition)).max() < 1
    kept = len(texture.transition)
    np.testing.assert_allclose(stationary_covariance(texture), np.eye(kept), atol=1e-6)


def test_components_are_those_of_the_singular_value_decomposition():
    rng = np.random.default_rng(0)
    waves = rng.standard_normal((40, 30)) * 0.8 ** np.arange(30)
    film = 128 + 20 * waves @ rng.standard_normal((30, SIZE * SIZE * 3))
    film = np.clip(film, 0, 255).astype(np.uint8).reshape(40, SIZE, SIZE, 3)
    texture = baselines.fit_linear_texture([film], 10)
    x = pixels(film) - pixels(film).mean(axis=0)
    expected = np.linalg.svd(x, compute_uv=False)[:10] / np.sqrt(len(x))
    lengths = np.linalg.norm(texture.patterns.reshape(10, -1), axis=1)
    np.testing.assert_allclose(lengths, expected, rtol=1e-4)


def test_still_film_stays_still():
    film = np.full((10, SIZE, SIZE, 3), 77, np.uint8)
    texture = baselines.fit_linear_texture([film])
    clips = baselines.sample_linear_texture(texture, 2, 3, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(clips, 77)


def with_number(film):
    """Writes the number of each frame into a corner, in steps that hardly show."""
    number = np.arange(len(film))
    film[:, 0, 0] = np.stack([number // 16, number % 16, 0 * number], axis=1)
    return film


def number_of(frames):
    return frames[..., 0, 0, 0].astype(int) * 16 + frames[..., 0, 0, 1]


def periodic_film(num_frames=125, period=8):
    """A wave that goes round: the same twice in no two phases."""
    phase = 2 * np.pi * np.arange(num_frames)[:, None, None, None] / period
    place = 2 * np.pi * np.arange(SIZE)[:, None, None] / SIZE
    wave = 128 + 100 * np.sin(phase - place)
    film = np.broadcast_to(wave, (num_frames, SIZE, SIZE, 3))
    return with_number(film.round().astype(np.uint8))


def numbers_played(film_segments, num_frames=2000):
    texture = baselines.fit_video_texture(film_segments)
    clips = baselines.sample_video_texture(
        texture, 2, num_frames // 2, rng=np.random.default_rng(0)
    )
    playback = clips.swapaxes(0, 1).reshape(num_frames, SIZE, SIZE, 3)
    film = np.concatenate(film_segments)
    numbers = number_of(playback)
    # Every frame that it plays is a frame of the film.
    np.testing.assert_array_equal(playback, film[numbers])
    return numbers


def test_periodic_film_jumps_between_like_phases():
    numbers = numbers_played([periodic_film()])
    jumps = np.diff(numbers)
    assert np.count_nonzero(jumps != 1) > 20
    np.testing.assert_array_equal((jumps - 1) % 8, 0)


def test_jumps_lead_from_segment_to_segment():
    film = periodic_film()
    numbers = numbers_played([film[:67], film[67:]])
    segment = numbers >= 67
    assert np.count_nonzero(np.diff(segment.astype(int))) > 5
    np.testing.assert_array_equal((np.diff(numbers) - 1) % 8, 0)


def test_film_that_never_returns_begins_again_and_is_not_stuck():
    level = np.arange(60)[:, None, None, None]
    film = np.broadcast_to(60 + 3 * level, (60, SIZE, SIZE, 3)).astype(np.uint8)
    numbers = numbers_played([with_number(film)], 1000)
    jumps = np.diff(numbers)
    # All it can do is play to the end and jump to the start: 4 frames lack neighbours.
    assert numbers.min() == 2 and numbers.max() == 57
    assert set(np.unique(jumps)) == {1, -55}


def test_the_same_generator_plays_the_same():
    texture = baselines.fit_video_texture([periodic_film()])
    first, second, other = (
        baselines.play(texture, 500, rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    np.testing.assert_allclose(texture.probabilities.sum(axis=1), 1)


def test_a_dead_end_is_left_before_it_is_reached():
    # Phases come back, then a fade that ends at nothing like it.
    film = periodic_film(120)
    fade = np.linspace(1, 0, 20)[:, None, None, None]
    film[100:] = np.round(film[100:] * fade)
    numbers = numbers_played([with_number(film)], 3000)
    assert np.mean(numbers >= 105) < 0.02
    assert np.count_nonzero(np.diff(numbers) != 1) > 20


@pytest.mark.parametrize(
    "fit", [baselines.fit_linear_texture, baselines.fit_video_texture]
)
@pytest.mark.parametrize("shapes", [[], [(9, 8, 8, 3), (9, 4, 8, 3)], [(1, 8, 8, 3)]])
def test_film_of_no_use_is_refused(fit, shapes):
    with pytest.raises(ValueError, match="segment"):
        fit([np.zeros(shape, np.uint8) for shape in shapes])
