import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from duralava.evaluation import sharpness

SIZE = 100  # 99 slopes in a row: the steepest 2 % are 1.98 of them


def edge(sigma, contrast=200.0, axis=1):
    """An edge from 20 to 20 + contrast under a Gaussian of sigma pixels, u8[H, W, 3].

    A pixel is the mean over its square; the integral of the normal distribution is
    x cdf(x) + pdf(x).
    """
    x = (np.arange(SIZE + 1) - SIZE / 2) / sigma
    integral = sigma * (x * scipy.stats.norm.cdf(x) + scipy.stats.norm.pdf(x))
    row = np.rint(20 + contrast * np.diff(integral))
    picture = np.broadcast_to(row[:, None] if axis == 0 else row, (SIZE, SIZE))
    return np.repeat(picture[..., None], 3, axis=-1).astype(np.uint8)


def steepest(sigma, contrast=200.0):
    """The mean of the two steepest slopes of the edge, weighted as 1 and 0.98."""
    x = np.arange(-2, 3) / sigma
    integral = sigma * (x * scipy.stats.norm.cdf(x) + scipy.stats.norm.pdf(x))
    slopes = contrast * np.sort(np.diff(integral, n=2))[::-1]
    return (slopes[0] + 0.98 * slopes[1]) / 1.98


@pytest.mark.parametrize("sigma", [0.2, 0.5, 1, 2, 4])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_slope_of_a_blurred_edge_is_the_known_one(sigma, axis):
    found = sharpness.steepest_slopes(edge(sigma, axis=axis))
    assert found == pytest.approx(steepest(sigma), abs=1.0)  # of rounded grey levels


def test_a_diagonal_edge_is_as_steep_as_its_plane():
    rows, columns = np.indices((50, 50))
    plane = (2 * rows + 3 * columns)[None, ..., None].repeat(3, axis=-1)
    found = sharpness.steepest_slopes(plane.astype(np.uint8))
    assert found == pytest.approx(np.hypot(2, 3))


def test_slopes_grow_with_contrast_and_fall_with_blur():
    film = np.stack([edge(0.2), edge(0.2, axis=0)])
    sharp = sharpness.steepest_slopes(film)
    assert sharpness.steepest_slopes(film // 2) == pytest.approx(sharp / 2, rel=0.02)
    blurred = [scipy.ndimage.gaussian_filter(film, (0, s, s, 0)) for s in (0.4, 0.6, 1)]
    ratios = [sharpness.steepest_slopes(pictures) / sharp for pictures in blurred]
    assert 1 > ratios[0] > ratios[1] > ratios[2] > 0.3


def test_a_plain_picture_beside_an_edge_does_not_count_as_blur():
    """Half of the pixels are plain: the steepest 2 % are 4 % of the other picture."""
    film = np.stack([edge(1), np.full_like(edge(1), 20)])
    x = np.arange(-4, 5)
    integral = x * scipy.stats.norm.cdf(x) + scipy.stats.norm.pdf(x)
    slopes = 200 * np.sort(np.diff(integral, n=2))[::-1]
    expected = (slopes[:3].sum() + 0.96 * slopes[3]) / 3.96
    assert sharpness.steepest_slopes(film) == pytest.approx(expected, abs=1.0)
