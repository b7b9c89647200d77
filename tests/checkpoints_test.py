import dataclasses
import json

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
