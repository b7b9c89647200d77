import dataclasses
import gc
import json
import shutil

import jax
import numpy as np
import pytest
import tiny

from duralava import checkpoints
from duralava.training.state import init_train_state

pytestmark = pytest.mark.usefixtures("quick_compilation")


def saved(tmp_path, config):
    checkpoints.open_workdir(tmp_path, config)
    state = init_train_state(jax.random.key(3), config=config)
    writer = checkpoints.Checkpoints(tmp_path, keep=1)
    writer.save(state, {"next_index": 7}, score=1.0)
    writer.close()
    return state


def assert_equal(first, second):
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_restores_what_was_saved(tmp_path):
    state = saved(tmp_path, tiny.CONFIG)
    reader = checkpoints.Checkpoints(tmp_path, keep=1)
    restored, data = reader.restore(state, config=tiny.CONFIG)
    reader.close()
    assert_equal(restored, state)
    assert data == {"next_index": 7}
    lamp = checkpoints.load_lamp(tmp_path)
    assert_equal(lamp.params, state.ema)
    assert lamp.config == tiny.CONFIG.model
    assert lamp.steps_per_second == tiny.CONFIG.data.steps_per_second
    assert lamp.training == tiny.CONFIG


def test_parameters_of_another_shape_are_named(tmp_path):
    saved(tmp_path, tiny.CONFIG)
    values = json.loads((tmp_path / "config.json").read_text())
    values["model"]["generator_channels"] = [12]
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"generator/Upsample_0/kernel \[8, 8, 8, 3\]"):
        checkpoints.load_lamp(tmp_path)


def test_folder_without_config_is_no_workdir(tmp_path):
    with pytest.raises(ValueError, match=r"no config\.json"):
        checkpoints.load_lamp(tmp_path)


def test_workdir_without_checkpoint_is_refused(tmp_path):
    checkpoints.open_workdir(tmp_path, tiny.CONFIG)
    with pytest.raises(ValueError, match="no checkpoint yet"):
        checkpoints.load_lamp(tmp_path)


def test_config_that_differs_is_named_and_kept(tmp_path):
    checkpoints.open_workdir(tmp_path, tiny.CONFIG)
    before = (tmp_path / "config.json").read_text()
    model = dataclasses.replace(tiny.CONFIG.model, latent_size=12)
    with pytest.raises(ValueError, match=r"model\.latent_size is 8 there, 12 here"):
        checkpoints.open_workdir(
            tmp_path, dataclasses.replace(tiny.CONFIG, model=model)
        )
    assert (tmp_path / "config.json").read_text() == before


@pytest.fixture(scope="module")
def two_checkpoints(tmp_path_factory):
    """A workdir with checkpoints of steps 3 and 7."""
    folder = tmp_path_factory.mktemp("run")
    checkpoints.open_workdir(folder, tiny.CONFIG)
    writer = checkpoints.Checkpoints(folder, keep=2)
    for step in (3, 7):
        state = init_train_state(jax.random.key(step), config=tiny.CONFIG)
        state = state._replace(step=jax.numpy.int32(step))
        writer.save(state, {"next_index": 7}, score=None)
    writer.close()
    return folder


def first_weight(lamp):
    return lamp.params["generator"]["Dense_0"]["kernel"][0, 0]


def flip_a_bit(checkpoint):
    """In the largest file, which holds the arrays."""
    files = [path for path in (checkpoint / "averaged").rglob("*") if path.is_file()]
    path = max(files, key=lambda path: path.stat().st_size)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)


def without(name):
    def remove(checkpoint):
        path = checkpoint / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


def empty(checkpoint):
    shutil.rmtree(checkpoint)
    checkpoint.mkdir()


def truncated(name):
    def truncate(checkpoint):
        (path,) = checkpoint.glob(name)
        path.write_bytes(path.read_bytes()[:40])

    return truncate


def with_other_data(checkpoint):
    path = checkpoint / "_CHECKPOINT_METADATA"
    text = path.read_text()
    assert text.count('"next_index": 7') == 1
    path.write_text(text.replace('"next_index": 7', '"next_index": 8'))


def restored(folder):
    """Returns the state that a run goes on from, and what was kept with it."""
    reader = checkpoints.Checkpoints(folder, keep=2)
    try:
        key = jax.random.key(0)
        like = jax.eval_shape(lambda: init_train_state(key, config=tiny.CONFIG))
        return reader.restore(like, config=tiny.CONFIG)
    finally:
        reader.close()


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_bit,
        empty,
        with_other_data,
        without("averaged"),
        without("state"),
        without("_CHECKPOINT_METADATA"),
        truncated("_CHECKPOINT_METADATA"),
        truncated("averaged/_METADATA"),
        truncated("averaged/manifest.ocdbt"),
        truncated("state/_METADATA"),
        truncated("state/manifest.ocdbt"),
        truncated("state/array_metadatas/process_0"),
        truncated("state/ocdbt.process_0/d/*"),
    ],
)
def test_of_a_damaged_checkpoint_the_one_before_is_taken(
    two_checkpoints, tmp_path, damage, capfd, caplog
):
    folder = tmp_path / "run"
    shutil.copytree(two_checkpoints, folder)
    newest = first_weight(checkpoints.load_lamp(folder))
    damage(folder / "checkpoints" / "7")
    note = r"^checkpoint 7 of [^\n]* is damaged \([^\n]*\); the one of step 3 is taken$"
    with pytest.warns(UserWarning, match=note) as rendering:
        lamp = checkpoints.load_lamp(folder)
    assert first_weight(lamp) != newest
    with pytest.warns(UserWarning, match=note) as training:
        state, data = restored(folder)
    assert len(rendering) == len(training) == 1
    assert (int(state.step), data) == (3, {"next_index": 7})
    assert_equal(state.ema, lamp.params)
    damage(folder / "checkpoints" / "3")
    with pytest.raises(ValueError, match=r"no checkpoint that can be read: 3: "):
        checkpoints.load_lamp(folder)
    with pytest.raises(ValueError, match=r"no checkpoint that can be read: 3: "):
        restored(folder)
    gc.collect()  # what asyncio has to say, it says when a task is freed
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_a_checkpoint_whose_metadata_stop_orbax_is_set_aside(two_checkpoints, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(two_checkpoints, folder)

    def damage(step):
        path = folder / "checkpoints" / str(step) / "_CHECKPOINT_METADATA"
        text = path.read_text()
        assert text.count('"item_handlers"') == 1
        path.write_text(text.replace('"item_handlers"', '"ite#_handlers"'))

    damage(7)
    note = r"^checkpoint 7 of [^\n]* is damaged \([^\n]*\); it is set aside$"
    with pytest.warns(UserWarning, match=note) as notes:
        state, data = restored(folder)
    assert len(notes) == 1
    assert (int(state.step), data) == (3, {"next_index": 7})
    kept = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert kept == ["3", "damaged_7"]
    damage(3)
    with pytest.raises(ValueError, match=r"no checkpoint that can be read: 3: "):
        restored(folder)
    assert (folder / "checkpoints" / "3").exists()


def test_names_that_are_no_steps_are_no_checkpoints(two_checkpoints, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(two_checkpoints, folder)
    newest = first_weight(checkpoints.load_lamp(folder))
    (folder / "checkpoints" / "0450").mkdir()
    (folder / "checkpoints" / "²").mkdir()
    (folder / "checkpoints" / "99").write_text("a file")
    assert first_weight(checkpoints.load_lamp(folder)) == newest


def test_a_full_disk_is_noticed_before_anything_is_written(
    two_checkpoints, tmp_path, monkeypatch
):
    folder = tmp_path / "run"
    shutil.copytree(two_checkpoints, folder)
    usage = shutil.disk_usage(folder)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    writer = checkpoints.Checkpoints(folder, keep=2)
    state = init_train_state(jax.random.key(9), config=tiny.CONFIG)
    with pytest.raises(OSError, match=r"no space in .* for a checkpoint of 2 MB"):
        writer.save(state._replace(step=jax.numpy.int32(9)), {}, score=None)
    writer.close()
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == ["3", "7"]
