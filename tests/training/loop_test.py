import dataclasses
import io
import json
import os
import pathlib
import shutil
import signal
import struct
import tarfile
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from PIL import Image
from tensorboardX.proto.event_pb2 import Event

from duralava import checkpoints, files, losses, weights
from duralava.config import FORMAT_VERSION, OptimizerConfig, Phase, TrainingConfig
from duralava.training import loop
from duralava.training.state import init_train_state

FIXTURES = pathlib.Path(__file__).parents[1] / "fixtures"

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
    train_tiny, tmp_path, number
):
    stop_soon(number)
    stopped = train_tiny(tiny.CONFIG, tmp_path / "a")
    assert stopped.step < tiny.CONFIG.training.num_steps
    resumed = train_tiny(tiny.CONFIG, tmp_path / "a")
    whole = train_tiny(tiny.CONFIG, tmp_path / "b")
    assert resumed.step == whole.step == tiny.CONFIG.training.num_steps
    assert_identical(resumed, whole)


def test_a_run_that_ran_out_of_time_goes_on_to_the_same_end(train_tiny, tmp_path):
    """With no time left after its first step, a call makes one step."""
    for step in (1, 2):
        part = train_tiny(tiny.CONFIG, tmp_path / "a", max_seconds=0)
        assert part.step == step
        assert steps_kept(tmp_path / "a")[-1] == step
    rest = train_tiny(tiny.CONFIG, tmp_path / "a", max_seconds=1e6)
    whole = train_tiny(tiny.CONFIG, tmp_path / "b")
    assert_identical(rest, whole)


def test_a_generator_of_any_size_learns_from_film(train_tiny, with_training, tmp_path):
    optimizer = OptimizerConfig(learning_rate=3e-3, ema_decay=0.9)
    config = dataclasses.replace(
        tiny.CONFIG, model=tiny.FIELD, loss=tiny.ENCODER_LOSS, optimizer=optimizer
    )
    train_tiny(with_training(config, num_steps=60), tmp_path)
    losses = [
        value.simple_value
        for event in events(tmp_path)
        for value in event.summary.value
        if value.tag == "loss/reconstruction"
    ]
    assert losses[-1] < losses[0] / 2
    lamp = weights.load(tmp_path)
    assert lamp.config == tiny.FIELD
    assert lamp.generate(lamp.start(0).latents, size=20).shape == (1, 20, 20, 3)


def test_seconds_per_step_are_of_real_steps(tiny_data_dir):
    """Above zero, and no longer than the call took."""
    begin = time.monotonic()
    pace = loop.seconds_per_step(tiny.CONFIG, num_steps=50, data_dir=tiny_data_dir)
    assert 0 < 50 * pace < time.monotonic() - begin


def test_a_killed_save_leaves_the_one_before(train_tiny, with_training, tmp_path):
    train_tiny(with_training(tiny.CONFIG, num_steps=4), tmp_path)
    (tmp_path / "checkpoints" / "8.orbax-checkpoint-tmp-1" / "state").mkdir(
        parents=True
    )
    train_tiny(with_training(tiny.CONFIG, num_steps=5), tmp_path)
    assert steps_kept(tmp_path) == [4, 5]


def test_keeps_the_latest_and_the_best(train_tiny, with_training, tmp_path):
    config = with_training(
        tiny.CONFIG, num_steps=12, checkpoint_every=2, keep_checkpoints=2
    )
    train_tiny(config, tmp_path)
    scores = {
        event.step: event.summary.value[0].simple_value
        for event in events(tmp_path)
        if event.summary.value and event.summary.value[0].tag == "energy_distance"
    }
    assert sorted(scores) == [2, 4, 6, 8, 10, 12]
    best = min(scores, key=scores.get)
    assert steps_kept(tmp_path) == sorted({best, 10, 12})


def test_writes_scalars_stills_and_a_moving_clip(train_tiny, tmp_path):
    train_tiny(tiny.CONFIG, tmp_path)
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
    assert clip.info["duration"] == 70  # 67 ms; a GIF counts whole 10 ms


def test_refuses_the_workdir_of_another_config(train_tiny, with_training, tmp_path):
    checkpoints.open_workdir(tmp_path, tiny.CONFIG)
    checkpoints.open_workdir(tmp_path, with_training(tiny.CONFIG, num_steps=99))
    with pytest.raises(ValueError, match=r"training\.seed is 0 there, 1 here"):
        train_tiny(with_training(tiny.CONFIG, seed=1), tmp_path)
    assert checkpoints.read_config(tmp_path).training.num_steps == 99


def test_refuses_a_film_shorter_than_a_clip(train_tiny, tmp_path):
    data = dataclasses.replace(tiny.CONFIG.data, clip_length=200)
    with pytest.raises(ValueError, match="180 frames, but a clip needs 399"):
        train_tiny(dataclasses.replace(tiny.CONFIG, data=data), tmp_path / "w")
    assert not (tmp_path / "w").exists()


def test_refuses_film_of_another_size(train_tiny, tmp_path):
    model = dataclasses.replace(tiny.CONFIG.model, resolution=32)
    with pytest.raises(ValueError, match="frames of 16x16, the model draws 32x32"):
        train_tiny(dataclasses.replace(tiny.CONFIG, model=model), tmp_path / "w")


def test_starts_from_other_weights(train_tiny, with_training, tmp_path):
    """At a learning rate of zero, the run ends with them."""
    train_tiny(tiny.CONFIG, tmp_path / "first")
    params = weights.load(tmp_path / "first").params
    optimizer = dataclasses.replace(tiny.CONFIG.optimizer, learning_rate=0.0)
    config = dataclasses.replace(tiny.CONFIG, optimizer=optimizer)
    state = train_tiny(
        with_training(config, seed=1),
        tmp_path / "second",
        start_from=tmp_path / "first",
    )
    assert_identical(state.generator, params)


def test_weights_to_start_from_must_fit(train_tiny, tmp_path):
    with pytest.raises(ValueError, match="simulated_64 do not fit their config"):
        train_tiny(tiny.CONFIG, tmp_path, start_from="simulated_64")


def test_a_loss_term_registered_from_outside_is_trained_and_logged(
    train_tiny, monkeypatch, tmp_path
):
    def code_size(clips):
        return jnp.mean(jnp.square(clips.codes))

    monkeypatch.setitem(losses.ENCODER_TERMS, "code_size", losses.Term(code_size))
    loss = dataclasses.replace(tiny.ENCODER_LOSS, extra_weights=(("code_size", 0.5),))
    config = dataclasses.replace(tiny.CONFIG, loss=loss)
    train_tiny(config, tmp_path)
    logged = [v.tag for event in events(tmp_path) for v in event.summary.value]
    assert logged.count("loss/code_size") == 6
    lamp = weights.load(tmp_path)
    assert lamp.has_encoder
    assert lamp.training.loss.extra_weights == (("code_size", 0.5),)


@pytest.fixture
def two_phases(with_training):
    """Four steps, then four more with another loss, at a learning rate of zero."""
    second = Phase(
        loss=tiny.CONFIG.loss,
        optimizer=OptimizerConfig(learning_rate=0.0),
        training=TrainingConfig(num_steps=4, log_every=2, checkpoint_every=4),
    )
    first = with_training(tiny.CONFIG, num_steps=4)
    return dataclasses.replace(first, then=(second,))


def test_a_phase_starts_from_the_average_of_the_one_before(
    train_tiny, two_phases, tmp_path
):
    state = train_tiny(two_phases, tmp_path)
    assert_identical(state.generator, average_of(tmp_path, 4))
    assert steps_kept(tmp_path / "phase_2") == [4]
    lamp = weights.load(tmp_path)
    assert lamp.training.optimizer.learning_rate == 0.0
    assert lamp.training.then == ()
    assert_identical(lamp.params, state.ema)


def average_of(workdir, step):
    state = jax.eval_shape(
        lambda: init_train_state(jax.random.key(0), config=tiny.CONFIG)
    )
    reader = checkpoints.Checkpoints(workdir, keep=1)
    restored, _ = reader.restore(state, config=tiny.CONFIG)
    reader.close()
    assert restored.step == step
    return restored.ema


def test_a_run_stopped_in_any_phase_goes_on_to_the_same_end(
    train_tiny, two_phases, tmp_path
):
    for done in ((1, 0), (2, 0), (3, 0), (4, 0)):
        train_tiny(two_phases, tmp_path / "a", max_seconds=0)
        assert steps_kept(tmp_path / "a")[-1] == done[0]
    for step in (1, 2):
        train_tiny(two_phases, tmp_path / "a", max_seconds=0)
        assert steps_kept(tmp_path / "a" / "phase_2")[-1] == step
    rest = train_tiny(two_phases, tmp_path / "a")
    assert_identical(rest, train_tiny(two_phases, tmp_path / "b"))


def test_another_later_phase_is_refused(train_tiny, two_phases, tmp_path):
    train_tiny(two_phases, tmp_path)
    later = dataclasses.replace(
        two_phases.then[0], optimizer=OptimizerConfig(learning_rate=1.0)
    )
    with pytest.raises(ValueError, match=r"optimizer\.learning_rate is 0\.0 there"):
        train_tiny(dataclasses.replace(two_phases, then=(later,)), tmp_path)


def test_a_workdir_and_its_data_can_be_moved(train_tiny, own_data_dir, tmp_path):
    train_tiny(tiny.CONFIG, tmp_path / "a", max_seconds=0)
    (tmp_path / "a").rename(tmp_path / "b")
    resumed = loop.train(tiny.CONFIG, tmp_path / "b", data_dir=own_data_dir)
    assert_identical(resumed, train_tiny(tiny.CONFIG, tmp_path / "c"))


@pytest.fixture
def old_workdir(tmp_path):
    """A workdir of config format 1, which held paths, stopped at step 4 of 12."""
    with tarfile.open(FIXTURES / "workdir_format_1.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "workdir"


def test_a_workdir_of_format_1_still_renders(old_workdir):
    """Up to rounding, the frames that the program that wrote it rendered from it."""
    film = weights.load(old_workdir).film(seconds=8 / 15, fps=15, seed=1)
    expected = np.load(FIXTURES / "workdir_format_1_frames.npy").astype(int)
    np.testing.assert_allclose(np.stack(list(film)), expected, atol=1)


def test_a_workdir_of_format_1_still_resumes(train_tiny, old_workdir):
    config = checkpoints.read_config(old_workdir)
    state = train_tiny(config, old_workdir)
    assert state.step == config.training.num_steps == 12
    assert steps_kept(old_workdir) == [4, 8, 12]
    text = (old_workdir / "config.json").read_text()
    assert json.loads(text)["format_version"] == FORMAT_VERSION
    assert "/somewhere" not in text


def broken_after(monkeypatch, step, *, times):
    """Makes the first `times` attempts to go beyond a step fail."""
    compiled = loop.step.compiled

    def make():
        init_state, make_step = compiled()

        def broken_step(state, batch, key, *, config):
            nonlocal times
            count = int(state.step)
            state, metrics = make_step(state, batch, key, config=config)
            if count == step and times:
                times -= 1
                rates.append(config.optimizer.learning_rate)
                state = state._replace(
                    generator=jax.tree.map(lambda leaf: leaf * np.nan, state.generator)
                )
                state, metrics = make_step(state, batch, key, config=config)
                state = state._replace(step=state.step - 1)
            return state, metrics

        return init_state, broken_step

    rates = []
    monkeypatch.setattr(loop.step, "compiled", make)
    return rates


@pytest.mark.filterwarnings("ignore:step")
def test_a_run_that_is_not_finite_goes_back_and_learns_more_slowly(
    train_tiny, tmp_path, monkeypatch
):
    rates = broken_after(monkeypatch, 9, times=2)
    with pytest.warns(UserWarning, match="step 10: not finite: .*half the learning"):
        state = train_tiny(tiny.CONFIG, tmp_path)
    assert state.step == tiny.CONFIG.training.num_steps
    usual = tiny.CONFIG.optimizer.learning_rate
    assert rates == [usual, usual / 2]
    for leaf in leaves(weights.load(tmp_path).params):
        assert np.isfinite(leaf).all()


@pytest.mark.filterwarnings("ignore:step")
def test_a_run_that_stays_broken_ends_and_keeps_its_last_good_checkpoint(
    train_tiny, tmp_path, monkeypatch
):
    rates = broken_after(monkeypatch, 9, times=10)
    with pytest.raises(
        FloatingPointError, match=r"step 10: not finite: .*tried 3 times"
    ):
        train_tiny(tiny.CONFIG, tmp_path)
    assert len(rates) == 4
    assert steps_kept(tmp_path)[-1] == 8
    weights.load(tmp_path)


def test_a_stop_before_the_next_log_saves_nothing_that_is_not_finite(
    train_tiny, with_training, tmp_path, monkeypatch
):
    """With SIGTERM between two logs."""
    config = with_training(tiny.CONFIG, log_every=100, checkpoint_every=100)
    part = train_tiny(config, tmp_path, max_seconds=0)
    assert part.step == 1
    broken_after(monkeypatch, 1, times=1)
    with pytest.warns(UserWarning, match="step 2: not finite"):
        state = train_tiny(config, tmp_path, max_seconds=0)
    assert state.step == 1
    assert steps_kept(tmp_path) == [1]


def test_a_second_run_in_a_workdir_is_refused(train_tiny, tmp_path):
    with (
        files.locked(tmp_path),
        pytest.raises(ValueError, match="another process is writing to"),
    ):
        train_tiny(tiny.CONFIG, tmp_path)
    train_tiny(tiny.CONFIG, tmp_path, max_seconds=0)


def test_a_resume_without_its_config_is_refused(train_tiny, tmp_path):
    train_tiny(tiny.CONFIG, tmp_path, max_seconds=0)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match=r"has checkpoints, but no config\.json"):
        train_tiny(tiny.CONFIG, tmp_path)


def test_a_resume_after_damage_goes_on_from_the_checkpoint_before(train_tiny, tmp_path):
    whole = train_tiny(tiny.CONFIG, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    newest = tmp_path / "b" / "checkpoints" / "12"
    for path in (newest / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (tmp_path / "b" / "checkpoints" / "999").mkdir()
    (tmp_path / "b" / "checkpoints" / "²").mkdir()
    (tmp_path / "b" / "checkpoints" / "0450").write_text("")
    with pytest.warns(UserWarning, match="checkpoint (12|999) of .* is damaged"):
        again = train_tiny(tiny.CONFIG, tmp_path / "b")
    assert_identical(again, whole)
    names = {path.name for path in (tmp_path / "b" / "checkpoints").iterdir()}
    assert {"8", "12", "damaged_12", "damaged_999"} <= names
