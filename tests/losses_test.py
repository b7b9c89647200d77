import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from duralava import losses

LOG_2 = 0.6931472

PAIRS = pytest.mark.parametrize(
    "pair", [losses.bce_losses, losses.relativistic_losses], ids=["bce", "relativistic"]
)


def logits(real, fake):
    return losses.Logits(jnp.array(real, jnp.float32), jnp.array(fake, jnp.float32))


def penalty_of(*dimensions):
    """The penalty on latents whose dimensions take the given values."""
    samples = jnp.stack([jnp.asarray(d, jnp.float32) for d in dimensions], axis=-1)
    return losses.normality_penalty(samples[:, None])


@PAIRS
def test_both_losses_are_log_2_where_nothing_is_told_apart(pair):
    both = pair(logits(np.zeros((4, 2)), np.zeros((4, 2))))
    np.testing.assert_allclose(both, [LOG_2, LOG_2], rtol=1e-6)


def test_bce_by_hand():
    # With D = sigmoid(logit): D(real) = 3/4, and D(fake) = 1/2 and 1/5.
    losses_of = losses.bce_losses(logits([[np.log(3), np.log(3)]], [[0.0, -np.log(4)]]))
    discriminator = (-np.log(3 / 4) - (np.log(1 / 2) + np.log(4 / 5)) / 2) / 2
    generator = -(np.log(1 / 2) + np.log(1 / 5)) / 2
    np.testing.assert_allclose(losses_of, [discriminator, generator], rtol=1e-6)


def test_relativistic_by_hand():
    # sigmoid(real - fake) is 3/4 at one step and 1/5 at the other.
    losses_of = losses.relativistic_losses(
        logits([[1 + np.log(3)], [2.0]], [[1.0], [2 + np.log(4)]])
    )
    discriminator = -(np.log(3 / 4) + np.log(1 / 5)) / 2
    generator = -(np.log(1 / 4) + np.log(4 / 5)) / 2
    np.testing.assert_allclose(losses_of, [discriminator, generator], rtol=1e-6)


def test_the_relativistic_loss_sees_the_difference_of_a_pair_only():
    one, moved = logits([[1.0, -2.0]], [[0.5, 1.0]]), logits([[8.0, 1.0]], [[7.5, 4.0]])
    np.testing.assert_allclose(
        losses.relativistic_losses(one), losses.relativistic_losses(moved), rtol=1e-6
    )


@PAIRS
def test_the_players_pull_at_a_generated_clip_in_opposite_directions(pair):
    at = logits([[0.3, -1.0]], [[0.2, 2.0]])
    discriminator = jax.grad(lambda x: pair(x)[0])(at)
    generator = jax.grad(lambda x: pair(x)[1])(at)
    # Descent raises the logits of film for the discriminator and of fakes for the
    # generator, and lowers those of fakes for the discriminator.
    assert jnp.all(discriminator.real < 0)
    assert jnp.all(discriminator.fake > 0)
    assert jnp.all(generator.fake < 0)


def random_clips(num_steps, batch_size):
    return tiny.normal(0, num_steps, batch_size, 2, 2, 3)


def exact_penalty(discriminator, clips, key):
    @jax.jit
    def penalty(clips, key):
        signs = jax.random.rademacher(key, clips.shape[:2])
        return losses.exact_gradient_penalty(discriminator, clips, signs)

    return penalty(clips, key)


def test_the_exact_penalty_of_a_linear_discriminator_is_its_square_weight():
    # The logit of step t reads frame t alone, so the cross terms of the random signs
    # are zero and every draw gives the mean over t of |w_t|^2.
    weights = tiny.normal(1, 4, 2, 2, 3)
    expected = jnp.mean(jnp.sum(weights**2, axis=(1, 2, 3)))

    def discriminator(clips):
        return jnp.einsum("tbhwc,thwc->tb", clips, weights)

    for seed in range(2):
        penalty = exact_penalty(discriminator, random_clips(4, 5), jax.random.key(seed))
        np.testing.assert_allclose(penalty, expected, rtol=1e-5)


def test_the_exact_penalty_of_overlapping_steps_holds_on_average():
    # Both logits read the whole clip, by w and v. Signs s, s' give |s w + s' v|^2 / 2
    # a clip, with mean (|w|^2 + |v|^2) / 2 and standard deviation |<w, v>|.
    w, v = tiny.normal(1, 2, 2, 2, 2, 3)
    count = 4000

    def discriminator(clips):
        return jnp.stack(
            [jnp.einsum("tbhwc,thwc->b", clips, weight) for weight in (w, v)]
        )

    penalty = exact_penalty(discriminator, random_clips(2, count), jax.random.key(2))
    expected = (jnp.sum(w**2) + jnp.sum(v**2)) / 2
    error = 5 * abs(jnp.vdot(w, v)) / np.sqrt(count)
    assert error < 0.2 * expected
    np.testing.assert_allclose(penalty, expected, atol=error)


def test_the_exact_penalty_of_a_square_is_the_clips_square():
    # D = |x_t|^2 / 2 has the gradient x_t.
    clips = random_clips(4, 3)
    penalty = exact_penalty(
        lambda x: jnp.sum(x**2, axis=(2, 3, 4)) / 2, clips, jax.random.key(0)
    )
    np.testing.assert_allclose(penalty, jnp.sum(clips**2) / 12, rtol=1e-5)


@pytest.mark.parametrize("noise_std", [0.02, 0.5])
def test_the_finite_difference_estimates_the_exact_penalty(noise_std):
    weights = tiny.normal(1, 2, 2, 2, 3)
    clips = random_clips(2, 4000)

    def discriminator(x):
        return jnp.einsum("tbhwc,thwc->tb", x, weights)

    noise = noise_std * tiny.normal(2, *clips.shape)
    estimate = losses.finite_difference_penalty(
        discriminator(clips), discriminator(clips + noise), noise_std
    )
    exact = exact_penalty(discriminator, clips, jax.random.key(3))
    # The square of a normal value has a relative deviation of sqrt(2); a step has
    # 4,000 of them.
    np.testing.assert_allclose(estimate, exact, rtol=5 * np.sqrt(2 / 4000))


def test_normal_latents_are_hardly_punished():
    count, size = 100_000, 4
    latents = tiny.normal(0, 10, count // 10, size)
    penalty, metrics = losses.normality_penalty(latents)
    # Sampling errors squared: mean 1, std 1/2, skewness 6, kurtosis 24 and the size
    # - 1 correlations of a dimension 1 each, over the count.
    expected = (1 + 0.5 + 6 + 24 + size - 1) / count
    assert 0 < penalty < 4 * expected
    np.testing.assert_allclose(metrics["std"], 1, atol=0.01)
    np.testing.assert_allclose(metrics["kurtosis"], 3, atol=0.05)
    np.testing.assert_allclose(metrics["correlation"], 0, atol=0.01)


SIGN = np.array([1.0, 1.0, -1.0, -1.0])
OTHER_SIGN = np.array([1.0, -1.0, 1.0, -1.0])
# Uniform values of variance 1 lie within sqrt(3); their kurtosis is 9/5.
UNIFORM = np.sqrt(3) * ((np.arange(10_000) + 0.5) / 5_000 - 1)
# p = 1/5: skewness (1 - 2p) / sqrt(pq) = 3/2, kurtosis 3 + (1 - 6pq) / pq = 13/4.
COIN = np.array([2.0, -0.5, -0.5, -0.5, -0.5])


@pytest.mark.parametrize(
    ("dimensions", "expected"),
    [
        # mean^2 + (std - 1)^2 + skewness^2 + (kurtosis - 3)^2; a sign has kurtosis 1.
        ([SIGN], 2**2),
        ([2 * SIGN], 1**2 + 2**2),
        ([SIGN + 3], 3**2 + 2**2),
        ([UNIFORM], 1.2**2),
        ([COIN], 1.5**2 + 0.25**2),
        ([-COIN], 1.5**2 + 0.25**2),
        # A dead dimension: deviation sqrt(1e-6), no skewness and no kurtosis.
        ([np.full(4, 2.0)], 2**2 + 0.999**2 + 3**2),
        # Independent signs: the mean over dimensions.
        ([SIGN, OTHER_SIGN], 2**2),
        ([SIGN, OTHER_SIGN + 3], 2**2 + 3**2 / 2),
        # A copy: correlation 1 with one other dimension, for each of the two.
        ([SIGN, SIGN], 2**2 + 1**2),
        ([SIGN, -SIGN], 2**2 + 1**2),
        # A copy among three: two dimensions of three have a correlation.
        ([SIGN, OTHER_SIGN, SIGN], 2**2 + 2 / 3),
    ],
)
def test_the_normality_penalty_by_hand(dimensions, expected):
    penalty, _ = penalty_of(*dimensions)
    np.testing.assert_allclose(penalty, expected, rtol=1e-4)


def test_only_the_correlation_sees_a_copied_dimension():
    (apart, one), (copied, other) = (
        penalty_of(SIGN, OTHER_SIGN),
        penalty_of(SIGN, SIGN),
    )
    assert copied > apart
    for name in ("mean", "std", "skewness", "kurtosis"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-6)
    np.testing.assert_allclose(
        [one["correlation"], other["correlation"]], [0, 1], atol=1e-5
    )


def test_the_moments_are_those_of_all_steps_and_clips():
    samples = jnp.asarray(np.random.default_rng(0).normal(size=(6, 2)), jnp.float32)
    as_steps, _ = losses.normality_penalty(samples.reshape(6, 1, 2))
    as_clips, _ = losses.normality_penalty(samples.reshape(2, 3, 2))
    np.testing.assert_allclose(as_steps, as_clips, rtol=1e-6)


def test_the_gradient_of_a_dead_dimension_is_finite():
    latents = jnp.ones((4, 2, 3))
    gradient = jax.grad(lambda z: losses.normality_penalty(z)[0])(latents)
    assert jnp.all(jnp.isfinite(gradient))


def test_the_error_of_frames_is_half_absolute_and_half_square():
    drawn, film = jnp.array([0.0, 1.0, -0.5, 0.2]), jnp.array([0.0, -1.0, 0.0, 0.2])
    # Differences 0, 2, 1/2 and 0: (2 + 4) / 2 = 3 and (1/2 + 1/4) / 2 = 3/8.
    error = losses.frame_error(drawn, film)
    np.testing.assert_allclose(error, (3 + 3 / 8) / 4, rtol=1e-6)
    np.testing.assert_allclose(error, losses.frame_error(film, drawn), rtol=1e-6)


def test_the_error_of_changes_by_hand():
    drawn, film = jnp.array([0.0, 1.0, 1.5]), jnp.array([0.2, 0.2, -0.3])
    # Changes 1 and 1/2 against 0 and -1/2: (1 + 1) / 2.
    error = losses.change_error(drawn[:, None], film[:, None])
    np.testing.assert_allclose(error, 1.0, rtol=1e-6)


def test_the_error_of_changes_sees_flicker_but_no_error_that_stays():
    film = tiny.normal(0, 6, 2, 4, 4, 3)
    wrong = film + 0.5 * tiny.normal(1, *film.shape[1:])
    np.testing.assert_allclose(losses.change_error(wrong, film), 0, atol=1e-12)
    flicker = film + 0.1 * jnp.array([1, -1] * 3).reshape(6, 1, 1, 1, 1)
    np.testing.assert_allclose(losses.change_error(flicker, film), 0.04, rtol=1e-5)


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [
        (0.0, 1.0, 0.0),
        # mean^2 / 2
        (1.0, 1.0, 0.5),
        (-2.0, 1.0, 2.0),
        # (4 - 1) / 2 - log 2
        (0.0, 2.0, 1.5 - LOG_2),
    ],
)
def test_the_divergence_in_closed_cases(mean, std, expected):
    divergence = losses.normal_divergence(
        jnp.full((2, 3), mean), jnp.full((2, 3), np.log(std))
    )
    np.testing.assert_allclose(divergence, expected, atol=1e-6)


def test_the_divergence_is_the_integral_of_p_log_p_over_q():
    means, stds = np.array([0.3, -1.0]), np.array([0.5, 1.5])
    x = np.linspace(-15, 15, 300_001)

    def log_density(mean, std):
        return -0.5 * ((x - mean) / std) ** 2 - np.log(std * np.sqrt(2 * np.pi))

    integrals = []
    for mean, std in zip(means, stds, strict=True):
        log_p, log_q = log_density(mean, std), log_density(0, 1)
        integrals.append(np.sum(np.exp(log_p) * (log_p - log_q)) * (x[1] - x[0]))
    divergence = losses.normal_divergence(jnp.asarray(means), jnp.log(stds))
    np.testing.assert_allclose(divergence, np.mean(integrals), rtol=1e-5)


def test_moment_distance_is_the_kernel_distance_from_the_normal_itself():
    """MMD^2 with the kernel x.y + (x.y)^2, over pairs of clips, by loops.

    Against N(0, I): E k(x, n) = |x|^2, as E x.n = 0 and E (x.n)^2 = |x|^2;
    E k(n, n') = Z.
    """
    codes = np.random.default_rng(0).normal(size=(2, 3, 4)) + 0.5
    pairs = [
        (x @ y) + (x @ y) ** 2
        for i, j in itertools.permutations(range(3), 2)
        for x in codes[:, i]
        for y in codes[:, j]
    ]
    norms = np.square(codes).sum(axis=-1).mean()
    expected = (np.mean(pairs) - 2 * norms + 4) / 4
    actual = losses.moment_distance(jnp.asarray(codes))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_moment_distance_of_normal_codes_is_zero_in_the_mean_for_small_batches():
    """And that of a shift by s in all dimensions s^2, plus what second moments add."""
    size, shift = 8, 0.5
    codes = tiny.normal(0, 2000, 1, 4, size)
    distance = jax.vmap(losses.moment_distance)
    values = np.asarray(distance(codes))
    error = values.std() / len(values) ** 0.5
    assert abs(values.mean()) < 4 * error < 0.1
    # E zz' - I is s^2 everywhere: |.|^2 / Z = s^4 Z.
    values = np.asarray(distance(codes + shift))
    expected = shift**2 + shift**4 * size
    np.testing.assert_allclose(values.mean(), expected, atol=0.1)


def test_slope_error_of_a_brighter_picture_is_zero_and_of_a_crease_its_height():
    film = jnp.zeros((2, 4, 5, 3))
    np.testing.assert_allclose(losses.slope_error(film + 0.3, film), 0.0, atol=1e-7)
    # A dark column: of four differences across, two are 0.6; none down.
    crease = film.at[:, :, 2].set(-0.6)
    np.testing.assert_allclose(
        losses.slope_error(crease, film), (2 / 4 * 0.6) / 2, rtol=1e-6
    )
    # Two of three differences down, and none across.
    crease = film.at[:, 1].set(0.6)
    np.testing.assert_allclose(
        losses.slope_error(crease, film), (2 / 3 * 0.6) / 2, rtol=1e-6
    )
