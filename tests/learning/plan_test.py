import dataclasses
import math

import numpy as np
import pytest

from duralava import checkpoints, learning
from duralava.config import ENCODER_ASSISTED, Config
from duralava.rendering import writers

pytestmark = pytest.mark.usefixtures("quick_compilation")

ENCODER = Config(loss=ENCODER_ASSISTED)


@pytest.mark.parametrize(
    ("seconds", "fps", "stride", "clip_length"),
    [
        (3600, 30, 6, 20),  # as the config says
        (10, 30, 6, 20),
        (10, 29.97, 6, 20),
        (10, 60, 12, 20),
        (10, 24, 5, 20),
        (10, 4, 1, 18),  # 36 frames are learned
        (5, 30, 6, 12),  # 135 of 150 frames are learned: 67 hold 12 steps of 6
    ],
)
def test_clips_suit_the_film(seconds, fps, stride, clip_length):
    data = learning.fit_to_film(ENCODER, round(seconds * fps), fps).data
    assert (data.frame_stride, data.clip_length) == (stride, clip_length)
    assert data.steps_per_second == pytest.approx(5, rel=0.21)


@pytest.mark.parametrize("fps", [5, 12, 25, 30, 60])
def test_the_shortest_film_still_holds_what_is_needed(fps):
    with pytest.raises(ValueError, match="the film has 2 frames") as refusal:
        learning.fit_to_film(ENCODER, 2, fps)
    words = str(refusal.value).split()
    needed = int(words[words.index("least,") - 2])
    with pytest.raises(ValueError, match=f"should have {needed} at least"):
        learning.fit_to_film(ENCODER, needed - 1, fps)

    data = learning.fit_to_film(ENCODER, needed, fps).data
    learned = needed * 9 // 10
    assert data.clip_length > ENCODER.loss.rollout_steps
    assert learned >= 2 * ((data.clip_length - 1) * data.frame_stride + 1)
    assert needed - learned >= 2 * (data.frame_stride + 1)


def film(seed, length=240):
    """A bright disc that jumps to a new place each second and rises, u8[M, H, W, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:16, :16]
    frames = np.full((length, 16, 16, 3), 30.0)
    for start in range(0, length, 30):
        across, height = rng.uniform(3, 13, 2)
        for index in range(start, min(start + 30, length)):
            distance = np.hypot(x - across, y - height + (index - start) / 10)
            frames[index] += np.clip(4 - distance, 0, 1)[..., None] * (200, 90, 20)
    return frames.astype(np.uint8)


def clips(frames, count, length=4, stride=6):
    starts = np.random.default_rng(9).integers(
        len(frames) - length * stride, size=count
    )
    return np.stack([frames[s : s + length * stride : stride] for s in starts], axis=1)


def verdict(generated, learned):
    return learning.compare(generated, learned, film(1), stride=6, mirrored=False)


def test_copies_are_called_memorised_and_other_film_is_not():
    learned = film(0)
    copied = verdict(clips(learned[::6].repeat(6, axis=0), 40), learned)
    assert copied.memorised
    assert copied.nearest == 0
    other = verdict(clips(film(2), 40), learned)
    assert not other.memorised
    assert other.nearest == pytest.approx(1, abs=0.3)


def test_what_is_as_far_as_learned_film_is_at_the_floor():
    learned = film(0)
    real = verdict(clips(learned, 40), learned)
    dark = verdict(clips(film(2), 40) // 2, learned)
    moving = clips(film(2), 40)
    still = verdict(moving[:1].repeat(4, axis=0), learned)
    assert real.frames == pytest.approx(1, abs=0.4)
    assert real.clips == pytest.approx(1, abs=0.4)
    assert dark.frames > 2 * real.frames
    assert still.clips > verdict(moving, learned).clips


def test_shipped_weights_are_the_start_where_they_fit(tiny_config):
    assert learning.starting_weights(ENCODER, None) == "simulated_64"
    assert learning.starting_weights(ENCODER, "") == ""
    assert learning.starting_weights(tiny_config, None) == ""
    without_encoder = dataclasses.replace(ENCODER, loss=Config().loss)
    assert learning.starting_weights(without_encoder, None) == ""
    with pytest.raises(ValueError, match="simulated_64 do not fit their config"):
        learning.starting_weights(tiny_config, "simulated_64")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for name, length in (("film.png", 100), ("short.mp4", 20)):
        writers.write_frames(folder / name, iter(film(0, length)), fps=10)
    (folder / "text.txt").write_text("no film\n")
    return folder


@pytest.mark.parametrize(
    ("source", "changes", "error", "says"),
    [
        ("nowhere.mov", {}, OSError, r"nowhere\.mov"),
        ("text.txt", {}, ValueError, r"text\.txt is not a video"),
        ("short.mp4", {}, ValueError, "the film has 20 frames; to learn from it"),
        ("film.png", {"seconds": 0.0}, ValueError, "must be above 0"),
        ("film.png", {"seconds": math.nan}, ValueError, "must be above 0"),
        ("film.png", {"start_from": "none"}, ValueError, "no checkpoint 'none'"),
        ("film.png", {}, ValueError, "no config '16x16'"),
    ],
)
def test_bad_input_writes_nothing(
    tiny_config, tmp_path, sources, source, changes, error, says
):
    plan = {"mirror": False, "start_from": None, "seconds": 1.0} | changes
    with pytest.raises(error, match=says):
        learning.prepare(sources / source, tmp_path / "lamp", tiny_config, **plan)
    assert not (tmp_path / "lamp").exists()


def test_refuses_the_workdir_of_another_training(tiny_config, tmp_path, sources):
    checkpoints.open_workdir(tmp_path, tiny_config)
    with pytest.raises(ValueError, match="is the workdir of another training"):
        learning.prepare(
            sources / "film.png",
            tmp_path,
            tiny_config,
            mirror=False,
            start_from=None,
            seconds=1.0,
        )
