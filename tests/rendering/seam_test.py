import numpy as np
import pytest

from duralava.rendering.seam import SeamMeter

FRAMES = 60


def brightness(moments):
    """A glow that goes round: pixel p is bright when the moment is p / 40."""
    pixels = np.arange(40) / 40
    levels = 128 + 100 * np.cos(2 * np.pi * (np.asarray(moments)[:, None] - pixels))
    frames = np.round(levels).astype(np.uint8)
    return np.broadcast_to(frames[:, None, :, None], (len(frames), 2, 40, 3))


def measure(moments):
    meter = SeamMeter()
    for frame in brightness(moments):
        meter.add(frame)
    return meter.measure()


def test_a_full_circle_has_no_seam():
    change, turn = measure(np.arange(FRAMES) / FRAMES)
    assert change == pytest.approx(1, abs=0.05)
    assert turn == pytest.approx(1, abs=0.2)


def test_a_jump_is_as_large_as_it_is():
    # A last frame before which as much as four frames is missing: a step of five.
    change, turn = measure(np.arange(FRAMES - 4) / FRAMES)
    assert change == pytest.approx(5, rel=0.05)
    assert turn > 5


def test_a_stop_is_seen():
    # The last frame is the first once more.
    change, turn = measure(np.arange(FRAMES + 1) / FRAMES)
    assert change == 0
    assert turn > 5


def test_a_turn_of_the_motion_is_seen_where_nothing_jumps():
    # There and back again: from the last frame to the first is a usual step, but the
    # motion is reversed.
    there = np.arange(FRAMES) / FRAMES
    change, turn = measure(np.concatenate([there, there[-2:0:-1]]))
    assert change == pytest.approx(1, abs=0.05)
    assert turn > 5


def test_what_is_no_loop_is_refused():
    with pytest.raises(ValueError, match="four frames at least"):
        measure([0, 0.1, 0.2])
    with pytest.raises(ValueError, match="nothing moves"):
        measure(np.zeros(10))
