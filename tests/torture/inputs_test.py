"""The quick form of `inputs`: some damaged files of each kind, in this process."""

import gc
import json
import os
import pathlib
import struct

import hypothesis
import pytest
from hypothesis import strategies as st
from torture import inputs

from duralava.config import Config, from_dict
from duralava.datasets import video

quick = hypothesis.settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[
        hypothesis.HealthCheck.too_slow,
        hypothesis.HealthCheck.function_scoped_fixture,
    ],
)
FILES = ["film", "webm", "gif", "apng", "webp", "images", "safetensors", "npy"]


@pytest.fixture(scope="module", autouse=True)
def quick_collection():
    """Each reading ends with a collection of garbage: of what it has made alone."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module", params=[*FILES, "data set"])
def damaged(request, tmp_path_factory):
    return inputs.Inputs(request.param, tmp_path_factory.mktemp("inputs"))


@quick
@hypothesis.given(number=st.integers(0, 10**6))
def test_a_damaged_file_is_read_or_refused_in_one_line(damaged, number):
    damaged.damaged(number)
    assert damaged.read() in inputs.OUTCOMES


@quick
@hypothesis.given(data=st.data())
def test_bytes_of_any_kind_are_read_or_refused_in_one_line(damaged, data):
    file = data.draw(st.sampled_from(damaged.files))
    damaged.written(file, data.draw(st.binary(max_size=300)))
    assert damaged.read() in inputs.OUTCOMES


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(st.text(max_size=8), values, max_size=3)
    ),
    max_leaves=5,
)
SECTIONS = {
    name: list(values) if isinstance(values, dict) else []
    for name, values in json.loads(json.dumps(inputs.config_values())).items()
}


@quick
@hypothesis.given(data=st.data())
def test_any_value_in_a_config_is_taken_or_refused(data):
    values = json.loads(json.dumps(inputs.config_values()))
    section = data.draw(st.sampled_from(sorted(SECTIONS)))
    fields = SECTIONS[section]
    if fields and data.draw(st.booleans()):
        values[section][data.draw(st.sampled_from(fields))] = data.draw(JSON)
    else:
        values[section] = data.draw(JSON)
    try:
        from_dict(Config, values)
    except ValueError as error:
        assert str(error)


def test_a_pipe_is_no_film(tmp_path):
    os.mkfifo(tmp_path / "film.mp4")
    with pytest.raises(ValueError, match="is neither a file nor a folder"):
        video.open_source(tmp_path / "film.mp4")


@pytest.mark.parametrize("screen", [16_000, 16])
def test_a_huge_gif_is_refused_before_it_is_decoded(tmp_path, screen):
    """Its screen, or a frame on a small screen, has 16,000 x 16,000 pixels."""
    path = tmp_path / "huge.gif"
    head = b"GIF89a" + struct.pack("<HHBBB", screen, screen, 0x80, 0, 0)
    frame = struct.pack("<BHHHHB", 0x2C, 0, 0, 16_000, 16_000, 0)
    path.write_bytes(head + bytes(6) + frame + b"\x02\x02\x44\x01\x00;")
    before = inputs.peak_memory(reset=True)
    with pytest.raises(ValueError, match=r"huge.gif .*megapixels"):
        list(video.read_frames(path, resolution=16))
    assert inputs.peak_memory() - before < 50_000_000


def test_nothing_is_unpickled_but_tensors_of_a_package():
    """`imagenet.py` reads plain tensors, and refuses all else (`imagenet_test`)."""
    package = pathlib.Path(inputs.__file__).parents[2] / "duralava"
    for path in package.rglob("*.py"):
        text = path.read_text()
        assert "allow_pickle=True" not in text, path
        assert "import pickle" not in text or path.name == "imagenet.py", path
        assert "torch.load" not in text or "weights_only=True" in text, path
        assert text.count("np.load(") == text.count("allow_pickle=False"), path
