import dataclasses
import json
import shutil

import numpy as np
import pytest

from duralava.config import DataConfig
from duralava.datasets import clips, video

DATA = DataConfig(clip_length=3, frame_stride=2, batch_size=1)
SPAN = 5


def numbered_film(num_frames, segment_frames=None):
    """Frame i holds i in its left column and 255 in the others."""
    frames = np.full((num_frames, 4, 4, 3), 255, np.uint8)
    frames[:, :, 0] = np.arange(num_frames)[:, None, None]
    return clips.Film(frames, fps=30.0, segment_frames=segment_frames)


def starts_of_epoch(dataset, num_windows, epoch):
    indices = range(epoch * num_windows, (epoch + 1) * num_windows)
    return [int(dataset[i][0, 0, 0, 0, 0]) for i in indices]


def test_clips_are_time_major_windows_of_the_film():
    film = numbered_film(30)
    data = dataclasses.replace(DATA, batch_size=4)

    clip = next(clips.clip_iterator(film, data, seed=0))

    assert clip.shape == (3, 4, 4, 4, 3)
    assert clip.dtype == np.uint8
    for lamp in range(4):
        start = clip[0, lamp, 0, 0, 0]
        np.testing.assert_array_equal(
            clip[:, lamp], film.frames[start : start + SPAN : 2]
        )


def test_every_window_comes_once_in_each_epoch_in_another_order():
    dataset = clips.clip_dataset(numbered_film(30), DATA, seed=0)
    num_windows = 30 - SPAN + 1

    first = starts_of_epoch(dataset, num_windows, 0)
    second = starts_of_epoch(dataset, num_windows, 1)

    assert sorted(first) == sorted(second) == list(range(num_windows))
    assert first != second
    assert first != sorted(first)


def test_film_of_one_clip_is_enough():
    film = numbered_film(SPAN)
    data = dataclasses.replace(DATA, batch_size=2)

    clip = next(clips.clip_iterator(film, data, seed=0))

    np.testing.assert_array_equal(clip[:, 0], film.frames[::2])
    np.testing.assert_array_equal(clip[:, 1], film.frames[::2])


def test_film_shorter_than_a_clip_is_refused():
    with pytest.raises(ValueError, match="has 4 frames, but a clip needs 5"):
        clips.clip_iterator(numbered_film(SPAN - 1), DATA, seed=0)


@pytest.mark.parametrize(
    ("num_frames", "segment_frames"),
    [
        (60, 12),
        (67, 12),  # the last segment has 7 frames
        (63, 12),  # the last segment is shorter than a clip
        (30, SPAN),
        (30, 30),
        (30, 100),
    ],
)
def test_a_clip_never_crosses_a_cut_and_all_others_come_once(
    num_frames, segment_frames
):
    film = numbered_film(num_frames, segment_frames)
    segment = np.arange(num_frames) // segment_frames
    whole = [
        start
        for start in range(num_frames - SPAN + 1)
        if segment[start] == segment[start + SPAN - 1]
    ]
    dataset = clips.clip_dataset(film, DATA, seed=0)

    for epoch in range(2):
        assert sorted(starts_of_epoch(dataset, len(whole), epoch)) == whole
    for index in range(len(whole)):
        assert len(set(segment[dataset[index][:, 0, 0, 0, 0]])) == 1


def test_segments_shorter_than_a_clip_are_refused():
    with pytest.raises(
        ValueError, match="longest piece has 4 frames, but a clip needs 5"
    ):
        clips.clip_iterator(numbered_film(40, SPAN - 1), DATA, seed=0)


def test_seed_decides_the_order():
    first, same, other = (
        starts_of_epoch(clips.clip_dataset(numbered_film(40), DATA, seed=seed), 36, 0)
        for seed in (0, 0, 1)
    )

    assert first == same
    assert first != other


def test_resumed_iterator_equals_the_uninterrupted_one():
    film = numbered_film(40)
    data = dataclasses.replace(DATA, batch_size=4, horizontal_flip=True)
    uninterrupted = clips.clip_iterator(film, data, seed=0)
    for _ in range(25):
        next(uninterrupted)

    state = json.loads(json.dumps(uninterrupted.get_state()))
    resumed = clips.clip_iterator(film, data, seed=0)
    resumed.set_state(state)

    for _ in range(25):
        np.testing.assert_array_equal(next(resumed), next(uninterrupted))


def test_half_of_the_clips_are_flipped_whole():
    film = numbered_film(40)
    data = dataclasses.replace(DATA, batch_size=100, horizontal_flip=True)

    clip = clips.clip_dataset(film, data, seed=0)[0]

    flipped = clip[0, :, 0, 0, 0] == 255
    assert 30 < flipped.sum() < 70
    upright = np.where(flipped[None, :, None, None, None], clip[:, :, :, ::-1], clip)
    for lamp in range(100):
        start = upright[0, lamp, 0, 0, 0]
        np.testing.assert_array_equal(
            upright[:, lamp], film.frames[start : start + SPAN : 2]
        )


def test_flips_are_drawn_anew_in_each_epoch():
    data = dataclasses.replace(DATA, horizontal_flip=True)
    dataset = clips.clip_dataset(numbered_film(SPAN), data, seed=0)

    flipped = [bool(dataset[step][0, 0, 0, 0, 0] == 255) for step in range(40)]

    assert 8 < sum(flipped) < 32


def test_nothing_is_flipped_unless_asked_for():
    clip = clips.clip_dataset(
        numbered_film(40), dataclasses.replace(DATA, batch_size=100), seed=0
    )[0]

    assert (clip[:, :, :, 0] < 255).all()


@pytest.mark.parametrize(
    ("metadata", "segment_frames"),
    [({}, None), ({"segment_frames": 0}, None), ({"segment_frames": 9}, 9)],
)
def test_cuts_are_where_the_metadata_say(
    tiny_data_dir, tmp_path, metadata, segment_frames
):
    shutil.copytree(tiny_data_dir / "lava_lamp", tmp_path / "lava_lamp")
    [path] = tmp_path.glob("lava_lamp/16x16/*/metadata.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | metadata))

    film = clips.load_film("lava_lamp/16x16", tmp_path, "train")

    assert film.segment_frames == segment_frames


def test_prepared_film_is_mapped_in_order(tiny_data_dir):
    film = clips.load_film("lava_lamp/16x16", tiny_data_dir, "train")
    again = clips.load_film("lava_lamp/16x16", tiny_data_dir, "train")

    expected = list(video.read_frames(tiny_data_dir / "film.mp4", resolution=16))
    assert isinstance(film.frames, np.memmap)
    assert film.fps == 30
    assert film.segment_frames is None
    np.testing.assert_array_equal(film.frames, expected[:180])
    np.testing.assert_array_equal(again.frames, film.frames)
    assert not list(tiny_data_dir.rglob("*.partial"))


def test_splits_have_a_copy_each(tiny_data_dir):
    film = clips.load_film("lava_lamp/16x16", tiny_data_dir, "test")

    assert film.frames.shape == (20, 16, 16, 3)


def test_missing_data_set_names_the_command(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"run: duralava prepare "
        "--dataset=simulated_lava_lamp/64x64_10min --data_dir=",
    ):
        clips.load_film("simulated_lava_lamp/64x64_10min", tmp_path, "train")


def test_missing_split_is_named(tiny_data_dir):
    with pytest.raises(ValueError, match="no split 'validation'; it has train, test"):
        clips.load_film("lava_lamp/16x16", tiny_data_dir, "validation")
