import dataclasses
import io
import os
import pathlib
import signal
import struct
import threading
import time

import jax
import numpy as np
import pytest
from PIL import Image
from tensorboardX.proto.event_pb2 import Event

from duralava import checkpoints, pretrained, training

pytestmark = pytest.mark.usefixtures("quick_compilation")


def leaves(state):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state)]


def assert_identical(first, second):
    for a, b in zip(leaves(first), leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


def steps_kept(workdir):
    folder = pathlib.Path(workdir) / "checkpoints"
    return sorted(int(path.name) for path in folder.iterdir())


def events(workdir):
    """Reads TensorBoard's records: length, its checksum, the event, its checksum."""
    for path in sorted(pathlib.Path(workdir).glob("events*")):
        data = path.read_bytes()
        while data:
            (size,) = struct.unpack("<Q", data[:8])
            yield Event.FromString(data[12 : 12 + size])
            data = data[16 + size :]


def stop_soon(number):
    """Sends this process a signal once the training listens to it."""
    before = signal.getsignal(number)

    def send():
        while signal.getsignal(number) == before:
            pass
        os.kill(os.getpid(), number)

    threading.Thread(target=send).start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_and_resumed_run_equals_one_that_never_stopped(
    tiny_config, tmp_path, number
):
    stop_soon(number)
    stopped = training.train(tiny_config, tmp_path / "a")
    assert stopped.step < tiny_config.training.num_steps
    resumed = training.train(tiny_config, tmp_path / "a")
    whole = training.train(tiny_config, tmp_path / "b")
    assert resumed.step == whole.step == tiny_config.training.num_steps
    assert_identical(resumed, whole)


def test_run_that_was_over_in_time_goes_on_to_the_same_end(tiny_config, tmp_path):
    """With no time left after its first step, a call makes one step."""
    for step in (1, 2):
        part = training.train(tiny_config, tmp_path / "a", max_seconds=0)
        assert part.step == step
        assert steps_kept(tmp_path / "a")[-1] == step
    rest = training.train(tiny_config, tmp_path / "a", max_seconds=1e6)
    whole = training.train(tiny_config, tmp_path / "b")
    assert_identical(rest, whole)


def test_pace_is_measured_of_real_steps(tiny_config, tmp_path):
    """As many as a clock allows: neither longer than it ran, nor for nothing."""
    begin = time.monotonic()
    pace = training.measure_pace(tiny_config, num_steps=50)
    assert 0 < 50 * pace < time.monotonic() - begin


def test_a_save_that_was_killed_leaves_the_one_before(
    tiny_config, with_training, tmp_path
):
    training.train(with_training(tiny_config, num_steps=4), tmp_path)
    (tmp_path / "checkpoints" / "8.orbax-checkpoint-tmp-1" / "state").mkdir(
        parents=True
    )
    training.train(with_training(tiny_config, num_steps=5), tmp_path)
    assert steps_kept(tmp_path) == [4, 5]


def test_keeps_the_latest_and_the_best(tiny_config, with_training, tmp_path):
    config = with_training(
        tiny_config, num_steps=12, checkpoint_every=2, keep_checkpoints=2
    )
    training.train(config, tmp_path)
    scores = {
        event.step: event.summary.value[0].simple_value
        for event in events(tmp_path)
        if event.summary.value and event.summary.value[0].tag == "energy_distance"
    }
    assert sorted(scores) == [2, 4, 6, 8, 10, 12]
    best = min(scores, key=scores.get)
    assert steps_kept(tmp_path) == sorted({best, 10, 12})


def test_writes_scalars_stills_and_a_moving_clip(tiny_config, tmp_path):
    training.train(tiny_config, tmp_path)
    values = {v.tag: v for event in events(tmp_path) for v in event.summary.value}
    moments = {"mean", "std", "skewness", "kurtosis", "correlation"}
    losses = {"discriminator", "generator", "gradient_penalty", "normality"}
    assert {f"latent/{name}" for name in moments} <= set(values)
    assert {f"loss/{name}" for name in losses} <= set(values)
    stills = Image.open(io.BytesIO(values["stills"].image.encoded_image_string))
    assert stills.size == (8 * 16, 4 * 16)
    clip = Image.open(io.BytesIO(values["clip"].image.encoded_image_string))
    assert clip.size == (4 * 16, 16)
    assert clip.n_frames > 1
    assert clip.info["duration"] == 60  # 67 ms; a GIF counts whole 10 ms


def test_refuses_the_workdir_of_another_config(tiny_config, with_training, tmp_path):
    checkpoints.open_workdir(tmp_path, tiny_config)
    checkpoints.open_workdir(tmp_path, with_training(tiny_config, num_steps=99))
    with pytest.raises(ValueError, match=r"training\.seed is 0 there, 1 here"):
        training.train(with_training(tiny_config, seed=1), tmp_path)
    assert checkpoints.read_config(tmp_path).training.num_steps == 99


def test_refuses_a_film_shorter_than_a_clip(tiny_config, tmp_path):
    data = dataclasses.replace(tiny_config.data, clip_length=200)
    with pytest.raises(ValueError, match="180 frames, but a clip needs 399"):
        training.train(dataclasses.replace(tiny_config, data=data), tmp_path / "w")
    assert not (tmp_path / "w").exists()


def test_refuses_film_of_another_size(tiny_config, tmp_path):
    model = dataclasses.replace(tiny_config.model, resolution=32)
    with pytest.raises(ValueError, match="frames of 16x16, the model draws 32x32"):
        training.train(dataclasses.replace(tiny_config, model=model), tmp_path / "w")


def test_starts_from_other_weights(tiny_config, with_training, tmp_path):
    """At a learning rate of zero, they are what the run ends with."""
    training.train(tiny_config, tmp_path / "first")
    weights = pretrained.load(tmp_path / "first").params
    optimizer = dataclasses.replace(tiny_config.optimizer, learning_rate=0.0)
    config = dataclasses.replace(tiny_config, optimizer=optimizer)
    config = with_training(config, start_from=str(tmp_path / "first"), seed=1)
    state = training.train(config, tmp_path / "second")
    assert_identical(state.generator, weights)


def test_weights_to_start_from_must_fit(tiny_config, with_training, tmp_path):
    config = with_training(tiny_config, start_from="simulated_64")
    with pytest.raises(ValueError, match="simulated_64 do not fit their config"):
        training.train(config, tmp_path)
