import numpy as np
import pytest

from duralava.evaluation import ladder

SIZE = 32
_FRAMES_UP, _FRAMES_DOWN = 60, 120
_HOT, _COOL = np.array([250, 120, 40]), np.array([170, 60, 90])


@pytest.fixture(scope="session")
def film_discs():
    """Returns a function that films a small lamp, in segments u8[N, 32, 32, 3].

    Discs rise hot and bright, cool, and sink at about half the speed until they are out
    of sight. Each time their place, size and speed are different. The background is a
    gradient; half of it is rough.
    """

    def film(seed, *, num_segments=6, num_frames=600, num_discs=3):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
        rough = np.random.default_rng(99).integers(-12, 13, (SIZE, SIZE)) * (y > 16)
        ground = np.stack([40 + y + rough, 25 + rough, 90 + x + rough], axis=-1)
        segments = []
        for _ in range(num_segments):
            frames = np.repeat(ground[None], num_frames, axis=0)
            for _ in range(num_discs):
                row, column, radius, heat = _paths(rng, num_frames)[:, :, None, None]
                away = np.hypot(y - row, x - column)
                share = np.clip(radius - away + 0.5, 0, 1)[..., None]
                colour = _COOL + heat[..., None] * (_HOT - _COOL)
                frames += share * (colour - frames)
            segments.append(np.clip(np.round(frames), 0, 255).astype(np.uint8))
        return segments

    return film


def _paths(rng, num_frames):
    """Rows, columns, radii and heats of a disc over time, f[4, T]."""
    parts, count = [], 0
    skipped = rng.integers(_FRAMES_UP + _FRAMES_DOWN)
    while count < num_frames + skipped:
        up, down = (
            round(rng.uniform(0.7, 1.4) * frames)
            for frames in (_FRAMES_UP, _FRAMES_DOWN)
        )
        height = np.concatenate(
            [np.linspace(0, 1, up, False), np.linspace(1, 0, down, False)]
        )
        heat = np.interp(np.arange(up + down), [0, up, up + down], [1, 0.6, 0])
        radius, left, right = rng.uniform(3.5, 6), *rng.uniform(6, 26, 2)
        parts.append(
            [
                39 - 36 * height,
                left + (right - left) * np.linspace(0, 1, up + down),
                np.full(up + down, radius),
                heat,
            ]
        )
        count += up + down
    return np.concatenate(parts, axis=1)[:, skipped : skipped + num_frames]


@pytest.fixture(scope="module")
def short_ladder():
    """For tests of other measures: all two-sample tests would take a minute."""
    name = "stills at 16 pixels"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder, "RUNGS", {name: ladder.RUNGS[name]})
        yield
