import fractions

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from duralava.rendering import frame_types, writers


def types(count, *, fade, spacing):
    """Returns the types of the frames of a film, as letters, in order."""
    passed = []
    film = frame_types.TypedFrames(
        lambda frame: passed.append(PictureType(frame.pict_type).name),
        fade=fade,
        spacing=spacing,
    )
    for _ in range(count):
        film.add(av.VideoFrame(16, 16, "yuv420p"))
    film.close()
    return "".join(passed), film.copy


@pytest.mark.parametrize(
    ("count", "fade", "spacing", "expected"),
    [
        (0, 3, 10, ""),
        (1, 3, 10, "I"),
        (10, 3, 10, "IPPPPPPPPP"),  # no key frame follows
        (11, 3, 10, "IPPPPPPBBBI"),
        (22, 2, 8, "IPPPPPBBIPPPPPBBIPPPPP"),
        (5, 3, 2, "IBIBI"),
        (4, 3, 1, "IIII"),
        (7, 0, 3, "IPPIPPI"),
    ],
)
def test_the_last_frames_before_a_key_frame_lead_to_it(count, fade, spacing, expected):
    assert types(count, fade=fade, spacing=spacing) == (expected, None)


@pytest.mark.parametrize(
    ("count", "expected"), [(1, "II"), (3, "IBBI"), (8, "IPPPPBBBI")]
)
def test_a_loop_leads_to_a_copy_of_its_first_frame(count, expected):
    assert types(count, fade=3, spacing=None) == (expected, count)


def drift(count):
    """Frames of soft stripes that move by a part of a pixel per frame."""
    x = np.arange(64)
    for index in range(count):
        row = 128 + 80 * np.sin((x + 0.2 * index) / 5)
        frame = np.broadcast_to(row[:, None], (64, 64, 3)).transpose(1, 0, 2)
        yield np.round(frame).astype(np.uint8)


def decoded(path, seconds=0.0):
    """Returns the times of frames, and the frames, from a key frame on."""
    with av.open(path) as container:
        container.seek(int(seconds * av.time_base))
        found = [
            (f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)
        ]
    return zip(*found, strict=True)


def test_a_player_that_starts_at_a_key_frame_shows_the_same(tmp_path):
    writers.write_frames(tmp_path / "lamp.mp4", drift(130), fps=5)
    times, frames = decoded(tmp_path / "lamp.mp4")
    assert times == pytest.approx(np.arange(130) / 5)
    later, shown = decoded(tmp_path / "lamp.mp4", seconds=20.0)
    first = later.index(20.0)
    assert later[first:] == times[100:]
    np.testing.assert_array_equal(shown[first:], frames[100:])


@pytest.mark.parametrize("fps", [10, 29.97])
def test_a_loop_ends_in_its_first_frame_for_no_time(tmp_path, fps):
    path = tmp_path / "lamp.mp4"
    writers.write_frames(path, drift(40), fps=fps, loop=True)
    with av.open(path) as container:
        stream = container.streams.video[0]
        frame = 1 / fractions.Fraction(fps).limit_denominator(1001) / stream.time_base
        assert stream.duration == 40 * frame + 1
    times, frames = decoded(path)
    assert len(times) == 41
    np.testing.assert_array_equal(frames[40], frames[0])
    assert len(list(writers.read_frames(path))) == 40
