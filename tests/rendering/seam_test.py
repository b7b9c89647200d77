import numpy as np
import pytest

from duralava.rendering.seam import SeamMeter

FRAMES = 60


def brightness(moments):
    """Returns frames of a rotating light: pixel p is brightest at moment p / 40."""
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


def test_a_jump_is_measured_in_usual_changes():
    # The last four frames are missing, so the seam is as large as five steps.
    change, turn = measure(np.arange(FRAMES - 4) / FRAMES)
    assert change == pytest.approx(5, rel=0.05)
    assert turn > 5


def test_a_stop_is_detected():
    # The last frame repeats the first.
    change, turn = measure(np.arange(FRAMES + 1) / FRAMES)
    assert change == 0
    assert turn > 5


def test_reversed_motion_is_detected_without_a_jump():
    # The light rotates forwards, then backwards. From the last frame to the first is a
    # usual step, but the motion is reversed.
    forwards = np.arange(FRAMES) / FRAMES
    change, turn = measure(np.concatenate([forwards, forwards[-2:0:-1]]))
    assert change == pytest.approx(1, abs=0.05)
    assert turn > 5


def test_too_few_frames_or_no_motion_are_an_error():
    with pytest.raises(ValueError, match="four frames at least"):
        measure([0, 0.1, 0.2])
    with pytest.raises(ValueError, match="nothing moves"):
        measure(np.zeros(10))
