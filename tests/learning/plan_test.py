import dataclasses
import math

import numpy as np
import pytest
import tiny
from films_of_discs import film

from duralava import checkpoints, load_config
from duralava.config import Config, Phase
from duralava.datasets import video
from duralava.learning import plan
from duralava.rendering import writers

pytestmark = pytest.mark.usefixtures("quick_compilation")

ENCODER = load_config("lava_lamp")
SMALL = load_config("lava_lamp_64")  # without windows


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
    data = plan.fit_to_film(ENCODER, round(seconds * fps), fps).data
    assert (data.frame_stride, data.clip_length) == (stride, clip_length)
    assert data.steps_per_second == pytest.approx(5, rel=0.21)


@pytest.mark.parametrize(
    ("width", "height", "num_frames", "size"),
    [
        (1280, 720, 1_000, 704),
        (1080, 1920, 1_000, 1024),
        (480, 360, 1_000, 320),
        (50, 50, 1_000, 64),
        (1280, 720, 100_000, 128),  # 163 pixels would take 8 GB
        (1280, 720, None, 256),
    ],
)
def test_a_film_is_prepared_as_large_as_its_windows_can_use(
    width, height, num_frames, size
):
    info = video.VideoInfo(30.0, num_frames, width, height)
    assert plan.dataset_of(info, ENCODER) == f"lava_lamp/{size}x{size}"
    assert plan.dataset_of(info, SMALL) == "lava_lamp/64x64"


@pytest.mark.parametrize("fps", [5, 12, 25, 30, 60])
def test_the_shortest_film_still_holds_what_is_needed(fps):
    with pytest.raises(ValueError, match="the film has 2 frames") as refusal:
        plan.fit_to_film(ENCODER, 2, fps)
    words = str(refusal.value).split()
    needed = int(words[words.index("least,") - 2])
    with pytest.raises(ValueError, match=f"should have {needed} at least"):
        plan.fit_to_film(ENCODER, needed - 1, fps)

    data = plan.fit_to_film(ENCODER, needed, fps).data
    learned = needed * 9 // 10
    assert data.clip_length > ENCODER.loss.rollout_steps
    assert learned >= 2 * ((data.clip_length - 1) * data.frame_stride + 1)
    assert needed - learned >= 2 * (data.frame_stride + 1)


def test_shipped_weights_are_the_start_if_they_fit():
    assert plan.starting_weights(ENCODER, None) == "simulated"
    assert plan.starting_weights(ENCODER, "") is None
    assert plan.starting_weights(SMALL, None) is None
    assert plan.starting_weights(tiny.CONFIG, None) is None
    without_encoder = dataclasses.replace(ENCODER, loss=Config().loss)
    assert plan.starting_weights(without_encoder, None) is None
    with pytest.raises(ValueError, match="simulated do not fit their config"):
        plan.starting_weights(tiny.CONFIG, "simulated")
    with pytest.raises(ValueError, match="no checkpoint 'none'"):
        plan.starting_weights(tiny.CONFIG, "none")


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
        ("film.png", {"then": (Phase(),)}, ValueError, "is learned in one phase"),
        ("film.png", {}, ValueError, "no config '16x16'"),
    ],
)
def test_bad_input_writes_nothing(tmp_path, sources, source, changes, error, says):
    changes = {"seconds": 1.0, "then": ()} | changes
    config = dataclasses.replace(tiny.CONFIG, then=changes["then"])
    with pytest.raises(error, match=says):
        plan.prepare_run(
            sources / source,
            tmp_path / "lamp",
            config,
            mirror=False,
            seconds=changes["seconds"],
        )
    assert not (tmp_path / "lamp").exists()


def test_refuses_the_workdir_of_another_training(tmp_path, sources):
    checkpoints.open_workdir(tmp_path, tiny.CONFIG)
    with pytest.raises(ValueError, match="is the workdir of another training"):
        plan.prepare_run(
            sources / "film.png",
            tmp_path,
            tiny.CONFIG,
            mirror=False,
            seconds=1.0,
        )


def test_a_film_without_motion_is_refused_and_leaves_nothing(tmp_path):
    still = [np.full((64, 64, 3), (90, 40, 20), np.uint8)] * 300
    writers.write_frames(tmp_path / "film.mp4", iter(still), fps=10)
    workdir = tmp_path / "new" / "lamp"
    with pytest.raises(ValueError, match="nothing moves in the film"):
        plan.prepare_run(
            tmp_path / "film.mp4", workdir, SMALL, mirror=False, seconds=60
        )
    assert not workdir.exists()


def test_a_little_motion_is_enough():
    frames = np.zeros((200, 32, 32, 3), np.uint8)
    for index in range(200):
        frames[index, index // 10, :8] = 200
    plan.check_motion(frames)
    with pytest.raises(ValueError, match="nothing moves"):
        plan.check_motion(frames[:1].repeat(200, axis=0))


class Drift:
    """A wave that drifts to the right, as frames that are made when they are read."""

    def __init__(self, num_frames, pixels_per_frame, first=0):
        self._num_frames, self._speed, self._first = num_frames, pixels_per_frame, first

    def __len__(self):
        return self._num_frames

    def part(self, first, end):
        return Drift(end - first, self._speed, self._first + first)

    def __getitem__(self, index):
        columns = np.arange(64) - self._speed * (self._first + index[:, None])
        waves = 128 + 100 * np.sin(columns * 2 * np.pi / 64)
        return waves.astype(np.uint8)[:, None, :, None].repeat(3, axis=3)


@pytest.mark.parametrize(
    ("pixels_per_second", "seconds", "step"),
    [
        # Waves that are 6.6 pixels apart differ half as much as unrelated ones. A clip
        # has 19 steps.
        (2.5, 300, 0.2),
        (1.25, 300, 0.4),
        (0.6, 300, 0.8),
        (0.3, 300, 1.6),
        (1.25, 12, 0.2),  # too short for longer clips
        (0.1, 300, 0.2),  # no step is long enough
        # Those that are 4.4 pixels apart differ a third as much. Within a step, it must
        # not drift by more.
        (20, 300, 0.2),
        (24, 300, 0.1),
        (40, 300, 0.1),
        (48, 300, 0.05),
    ],
)
def test_steps_suit_the_speed_of_a_film(pixels_per_second, seconds, step):
    frames = Drift(seconds * 30, pixels_per_second / 30)
    assert plan.step_seconds(frames, 30.0, 20) == step
    data = plan.fit_to_film(ENCODER, seconds * 30, 30.0, step=step).data
    assert data.frame_stride == round(30 * step)


def test_what_is_given_stays():
    data = dataclasses.replace(ENCODER.data, frame_stride=9, clip_length=11)
    config = dataclasses.replace(ENCODER, data=data)
    given = ["data.frame_stride", "data.clip_length"]
    found = plan.fit_to_film(config, 900, 30.0, step=0.8, given=given).data
    assert (found.frame_stride, found.clip_length) == (9, 11)
    found = plan.fit_to_film(config, 900, 30.0, given=given[1:]).data
    assert (found.frame_stride, found.clip_length) == (6, 11)
    # Two clips of 91 frames are the first nine tenths of 203 frames.
    with pytest.raises(ValueError, match="should have 203 at least"):
        plan.fit_to_film(config, 200, 30.0, given=given)
