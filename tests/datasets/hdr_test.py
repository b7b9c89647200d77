import numpy as np
import pytest

from duralava.datasets import hdr

WHITE = 203  # cd/m^2, reference white (ITU-R BT.2408)


def signal(value):
    return np.full((1, 1, 3), round(65_535 * value), np.uint16)


def grey(value, transfer):
    red, green, blue = hdr.to_standard(signal(value), transfer)[0, 0].astype(int)
    assert max(red, green, blue) - min(red, green, blue) <= 1
    return green


@pytest.mark.parametrize(
    ("transfer", "value"),
    [
        (hdr.PQ, 0.58),  # ITU-R BT.2408, table 1: reference white
        (hdr.HLG, 0.75),
    ],
)
def test_reference_white_is_nearly_white(transfer, value):
    assert 240 <= grey(value, transfer) <= 250


@pytest.mark.parametrize(
    ("transfer", "value"),
    [(hdr.PQ, 0.38), (hdr.HLG, 0.38)],  # BT.2408: grey card, 18 % of 26 cd/m^2
)
def test_a_grey_card_is_as_dark_as_in_standard_film(transfer, value):
    # 26 of 203 cd/m^2 on a display of gamma 2.4.
    expected = 255 * (26 / WHITE) ** (1 / 2.4)
    assert grey(value, transfer) == pytest.approx(expected, abs=4)


@pytest.mark.parametrize("transfer", [hdr.PQ, hdr.HLG])
def test_highlights_are_compressed_in_order(transfer):
    shades = [grey(value, transfer) for value in np.linspace(0, 1, 40)]
    assert shades == sorted(shades)
    assert shades[0] == 0 and 250 <= shades[-1] <= 255


def test_what_is_darker_than_the_knee_keeps_its_colour():
    assert hdr.compression(np.array([0.1, 0.5, 0.8])) == pytest.approx(1)
    assert hdr.compression(np.array([50.0])) * 50 < 1


def test_grey_stays_grey_and_red_stays_red():
    red = np.zeros((1, 1, 3), np.uint16)
    red[..., 0] = 30_000
    r, g, b = hdr.to_standard(red, hdr.PQ)[0, 0]
    assert r > 80 and g == b == 0
