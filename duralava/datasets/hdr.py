"""High dynamic range to standard: PQ and HLG of BT.2020 to BT.709.

Reference white is 203 cd/m^2, as ITU-R BT.2408 recommends. What is darker than it by a
fifth keeps its colour. Brighter light, highlights, is compressed into the rest.
"""

import functools

import numpy as np

PQ, HLG = 16, 18  # transfer characteristics, as ITU-T H.273 numbers them

_REFERENCE_WHITE = 203.0  # cd/m^2
_PQ_PEAK = 10_000.0  # cd/m^2
_HLG_PEAK = 1_000.0  # cd/m^2, of the nominal display
_HLG_GAMMA = 1.2  # of the system, at that peak
_DISPLAY_GAMMA = 2.4  # ITU-R BT.1886
_KNEE = 0.8  # of reference white
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)  # of BT.2020
# ITU-R BT.2087, linear light of BT.2020 to that of BT.709.
_TO_BT709 = np.array(
    [
        [1.660491, -0.587641, -0.072850],
        [-0.124550, 1.132900, -0.008349],
        [-0.018151, -0.100579, 1.118730],
    ],
    np.float32,
)


def to_standard(picture: np.ndarray, transfer: int) -> np.ndarray:
    """Maps a picture of high dynamic range to one of BT.709.

    Args:
      picture: RGB u16[H, W, 3] of BT.2020 with full range.
      transfer: `PQ` or `HLG`.

    Returns:
      u8[H, W, 3].
    """
    light = _eotf(transfer)[picture]
    if transfer == HLG:  # from the light of the scene to that of the display
        luminance = np.maximum(light @ _LUMINANCE, 1e-6)
        light = light * luminance[..., None] ** (_HLG_GAMMA - 1)
        light = light * np.float32(_HLG_PEAK / _REFERENCE_WHITE)
    light = np.maximum(light @ _TO_BT709.T, 0)
    light = light * compression(light.max(axis=-1, keepdims=True))
    return np.rint(255 * np.clip(light, 0, 1) ** (1 / _DISPLAY_GAMMA)).astype(np.uint8)


def compression(peak: np.ndarray) -> np.ndarray:
    """Returns the factor for colours whose largest component is `peak`.

    It is 1 up to the knee. Beyond, components approach 1. All components of a colour
    have the same factor, so that its hue stays.
    """
    above = np.maximum(peak - _KNEE, 0)
    room = 1 - _KNEE
    mapped = np.minimum(peak, _KNEE) + room * above / (above + room)
    return mapped / np.maximum(peak, 1e-6)


@functools.cache
def _eotf(transfer: int) -> np.ndarray:
    """Returns the linear light of each u16 value, f32[65536]."""
    signal = np.linspace(0, 1, 65_536)
    light = _pq_light(signal) if transfer == PQ else _hlg_light(signal)
    return light.astype(np.float32)


def _pq_light(signal: np.ndarray) -> np.ndarray:
    """Light over reference white (SMPTE ST 2084)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = signal ** (1 / m2)
    light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return light * _PQ_PEAK / _REFERENCE_WHITE


def _hlg_light(signal: np.ndarray) -> np.ndarray:
    """Light of the scene, 1 at most (ARIB STD-B67, ITU-R BT.2100)."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
