import dataclasses
import functools
import json

import numpy as np
import pytest

from duralava.config import DataConfig
from duralava.datasets import arrays, clips, video, windows

DATA = DataConfig(clip_length=3, frame_stride=2, batch_size=1)
SPAN = 5


def numbered_film(num_frames, segment_frames=None):
    """Frame i holds i in its left column and 255 in the others."""
    frames = np.full((num_frames, 4, 4, 3), 255, np.uint8)
    frames[:, :, 0] = np.arange(num_frames)[:, None, None]
    return clips.Film(frames, fps=30.0, segment_frames=segment_frames)


def starts_of_epoch(dataset, num_windows, epoch):
    indices = range(epoch * num_windows, (epoch + 1) * num_windows)
    return [int(dataset[i].clips[0, 0, 0, 0, 0]) for i in indices]


def test_clips_are_time_major_windows_of_the_film():
    film = numbered_film(30)
    data = dataclasses.replace(DATA, batch_size=4)

    clip = next(clips.batch_iterator(film, data, seed=0)).clips

    assert clip.shape == (3, 4, 4, 4, 3)
    assert clip.dtype == np.uint8
    for lamp in range(4):
        start = clip[0, lamp, 0, 0, 0]
        np.testing.assert_array_equal(
            clip[:, lamp], film.frames[start : start + SPAN : 2]
        )


def test_every_window_comes_once_in_each_epoch_in_another_order():
    dataset = clips.batch_dataset(numbered_film(30), DATA, seed=0)
    num_windows = 30 - SPAN + 1

    first = starts_of_epoch(dataset, num_windows, 0)
    second = starts_of_epoch(dataset, num_windows, 1)

    assert sorted(first) == sorted(second) == list(range(num_windows))
    assert first != second
    assert first != sorted(first)


def test_film_of_one_clip_is_enough():
    film = numbered_film(SPAN)
    data = dataclasses.replace(DATA, batch_size=2)

    clip = next(clips.batch_iterator(film, data, seed=0)).clips

    np.testing.assert_array_equal(clip[:, 0], film.frames[::2])
    np.testing.assert_array_equal(clip[:, 1], film.frames[::2])


def test_film_shorter_than_a_clip_is_refused():
    with pytest.raises(ValueError, match="has 4 frames, but a clip needs 5"):
        clips.batch_iterator(numbered_film(SPAN - 1), DATA, seed=0)


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
    dataset = clips.batch_dataset(film, DATA, seed=0)

    for epoch in range(2):
        assert sorted(starts_of_epoch(dataset, len(whole), epoch)) == whole
    for index in range(len(whole)):
        assert len(set(segment[dataset[index].clips[:, 0, 0, 0, 0]])) == 1


def test_segments_shorter_than_a_clip_are_refused():
    with pytest.raises(
        ValueError, match="longest piece has 4 frames, but a clip needs 5"
    ):
        clips.batch_iterator(numbered_film(40, SPAN - 1), DATA, seed=0)


def test_seed_decides_the_order():
    first, same, other = (
        starts_of_epoch(clips.batch_dataset(numbered_film(40), DATA, seed=seed), 36, 0)
        for seed in (0, 0, 1)
    )

    assert first == same
    assert first != other


def test_resumed_iterator_equals_the_uninterrupted_one():
    film = numbered_film(40)
    data = dataclasses.replace(DATA, batch_size=4, horizontal_flip=True, windows=5)
    uninterrupted = clips.batch_iterator(film, data, seed=0)
    for _ in range(25):
        next(uninterrupted)

    state = json.loads(json.dumps(uninterrupted.get_state()))
    resumed = clips.batch_iterator(film, data, seed=0)
    resumed.set_state(state)

    for _ in range(25):
        for part, expected in zip(next(resumed), next(uninterrupted), strict=True):
            np.testing.assert_array_equal(part, expected)


def test_half_of_the_clips_are_flipped_whole():
    film = numbered_film(40)
    data = dataclasses.replace(DATA, batch_size=100, horizontal_flip=True)

    clip = clips.batch_dataset(film, data, seed=0)[0].clips

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
    dataset = clips.batch_dataset(numbered_film(SPAN), data, seed=0)

    flipped = [bool(dataset[step].clips[0, 0, 0, 0, 0] == 255) for step in range(40)]

    assert 8 < sum(flipped) < 32


def test_nothing_is_flipped_unless_asked_for():
    clip = clips.batch_dataset(
        numbered_film(40), dataclasses.replace(DATA, batch_size=100), seed=0
    )[0].clips

    assert (clip[:, :, :, 0] < 255).all()


@pytest.mark.parametrize(
    ("metadata", "segment_frames"),
    [({}, None), ({"segment_frames": 0}, None), ({"segment_frames": 9}, 9)],
)
def test_cuts_are_where_the_metadata_say(own_data_dir, metadata, segment_frames):
    [path] = own_data_dir.glob("lava_lamp/16x16/*/metadata.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | metadata))

    film = clips.load_film("lava_lamp/16x16", own_data_dir, "train")

    assert film.segment_frames == segment_frames


def test_prepared_film_is_mapped_in_order(tiny_data_dir):
    film = clips.load_film("lava_lamp/16x16", tiny_data_dir, "train")
    again = clips.load_film("lava_lamp/16x16", tiny_data_dir, "train")

    expected = list(video.read_frames(tiny_data_dir / "film.mp4", resolution=16))
    assert isinstance(film.frames, arrays.Rows)
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


def large_film(num_frames=12):
    """Pictures of 16 pixels, learned at 4; a pixel's colour tells where it is."""
    pictures = np.empty((num_frames, 16, 16, 3), np.uint8)
    pictures[..., 0] = np.arange(num_frames)[:, None, None]
    pictures[..., 1] = 10 * np.arange(16)[:, None]
    pictures[..., 2] = 10 * np.arange(16)
    frames = np.stack([windows.shrunk(picture, 4) for picture in pictures])
    random_window = functools.partial(windows.cut, pictures=pictures, size=4)
    return clips.Film(frames, 30.0, random_window=random_window)


def shown_place(window, *, mirror=False):
    """Where a window of `large_film` lies, from its colours; place of the mirrored."""
    upright = window[:, ::-1] if mirror else window
    pixel = (upright[0, 1, 2] - int(upright[0, 0, 2])) / 10 / 16
    top, left = (upright[0, 0, 1:] / 10 + 0.5) / 16 - pixel / 2
    return (1 - left - 4 * pixel if mirror else left), top, pixel


def test_places_of_windows_are_where_their_colours_come_from():
    data = dataclasses.replace(
        DATA, windows=40, whole_windows=0.3, horizontal_flip=True
    )

    batch = clips.batch_dataset(large_film(), data, seed=0)[0]

    assert batch.windows.shape == (40, 4, 4, 3)
    assert batch.windows.dtype == np.uint8
    assert batch.places.dtype == np.float32
    mirrored = batch.windows[:, 0, 1, 2] < batch.windows[:, 0, 0, 2]
    assert 5 < mirrored.sum() < 35
    for window, place, mirror in zip(
        batch.windows, batch.places, mirrored, strict=True
    ):
        expected = shown_place(window, mirror=mirror)
        np.testing.assert_allclose(place, expected, atol=0.004)
    assert set(batch.places[:, 2]) == {1 / 16, 2 / 16, 3 / 16, 4 / 16}


def test_windows_are_of_different_frames():
    data = dataclasses.replace(DATA, windows=12)

    batch = clips.batch_dataset(large_film(), data, seed=0)[0]

    numbers = batch.windows[:, 0, 0, 0].tolist()
    assert sorted(numbers) == list(range(12))
    assert numbers != list(range(12))


@pytest.mark.parametrize("flip", [False, True])
def test_views_are_of_the_first_and_the_last_frame_of_each_clip(flip):
    data = dataclasses.replace(DATA, batch_size=8, horizontal_flip=flip)

    batch = clips.batch_dataset(large_film(), data, seed=0)[0]

    np.testing.assert_array_equal(
        batch.views[:, :, 0, 0, 0], batch.clips[[0, -1], :, 0, 0, 0]
    )
    mirrored = batch.clips[0, :, 0, 1, 2] < batch.clips[0, :, 0, 0, 2]
    assert mirrored.any() == flip
    for views, places in zip(batch.views, batch.view_places, strict=True):
        for window, place, mirror in zip(views, places, mirrored, strict=True):
            expected = shown_place(window, mirror=mirror)
            np.testing.assert_allclose(place, expected, atol=0.004)
            assert place[2] < 1 / 4


@pytest.mark.parametrize("length", [1, 3])
def test_without_larger_pictures_all_windows_are_whole_frames(length):
    film = numbered_film(30)
    data = dataclasses.replace(DATA, clip_length=length, windows=6)

    batch = clips.batch_dataset(film, data, seed=0)[0]

    for window in batch.windows:
        np.testing.assert_array_equal(window, film.frames[window[0, 0, 0]])
    np.testing.assert_array_equal(batch.places, [[0, 0, 1 / 4]] * 6)
    whole = clips.batch_of(batch.clips)
    np.testing.assert_array_equal(batch.views, whole.views)
    np.testing.assert_array_equal(batch.view_places, whole.view_places)


def test_large_film_is_learned_at_a_lower_resolution(own_data_dir):
    frames = np.asarray(
        clips.load_film("lava_lamp/16x16", own_data_dir, "train").frames
    )

    for _ in range(2):  # the second time, from the disk
        film = clips.load_film("lava_lamp/16x16", own_data_dir, "train", resolution=8)
        means = frames.reshape(-1, 8, 2, 8, 2, 3).mean(axis=(2, 4))
        assert film.frames.shape == (180, 8, 8, 3)
        np.testing.assert_allclose(film.frames, means, atol=0.6)

    pixels, (left, top, pixel) = film.random_window(5, np.random.default_rng(0))
    row, column = round(16 * top), round(16 * left)
    assert pixel == 1 / 16
    expected = frames[5, row : row + 8, column : column + 8]
    np.testing.assert_array_equal(pixels, expected)


def test_frames_that_are_no_multiple_are_refused(tiny_data_dir):
    with pytest.raises(ValueError, match=r"16 pixels .* multiple of 12"):
        clips.load_film("lava_lamp/16x16", tiny_data_dir, "train", resolution=12)


def test_a_damaged_frame_is_one_error_that_says_what_to_do(own_data_dir):
    [path] = own_data_dir.rglob("train.npy")
    content = bytearray(path.read_bytes())
    content[-5] ^= 16
    path.write_bytes(content)
    says = (
        rf"{path} is damaged: row 179 is not what was written; prepare it anew: "
        rf"duralava prepare --dataset=lava_lamp/16x16 --data_dir={own_data_dir} "
        "--source=VIDEO_OR_FOLDER --overwrite"
    )

    film = clips.load_film("lava_lamp/16x16", own_data_dir, "train")
    data = DataConfig(clip_length=90, frame_stride=2, batch_size=2)
    with pytest.raises(ValueError, match=says):
        next(clips.batch_iterator(film, data, seed=0))
    with pytest.raises(ValueError, match=says):
        clips.load_film("lava_lamp/16x16", own_data_dir, "train", resolution=8)
    assert not list(own_data_dir.rglob("train_frame_8*"))


def test_damaged_smaller_frames_are_made_again_once_they_are_removed(own_data_dir):
    load = functools.partial(
        clips.load_film, "lava_lamp/16x16", own_data_dir, "train", resolution=8
    )
    expected = np.array(load().frames)
    [path] = own_data_dir.rglob("train_frame_8.npy")
    content = bytearray(path.read_bytes())
    content[-5] ^= 16
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"damaged: .*; remove {path}"):
        np.asarray(load().frames)
    path.unlink()
    np.testing.assert_array_equal(load().frames, expected)
