import dataclasses
import json
import pathlib
import re

import jax
import numpy as np
import pytest
import safetensors.numpy
import tiny
from safetensors import safe_open

from duralava import models, pretrained, trees, weights
from duralava.config import Config, to_dict

SHIPPED = pathlib.Path(pretrained.__file__).parent

LAMP = tiny.lamp(generator_hidden=16, training=tiny.CONFIG)


def test_weights_come_back_at_half_precision_with_their_config(tmp_path):
    path = tmp_path / "lamp.safetensors"
    weights.save(path, LAMP)
    lamp = weights.load(path)
    assert lamp.config == LAMP.config
    assert lamp.steps_per_second == LAMP.steps_per_second
    assert lamp.training == tiny.CONFIG
    assert set(lamp.params) == {"generator", "transition", "encoder"}
    jax.tree.map(
        lambda loaded, saved: np.testing.assert_array_equal(
            loaded, np.asarray(saved).astype(np.float16).astype(np.float32)
        ),
        lamp.params,
        LAMP.params,
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(lamp)} == {np.dtype(np.float32)}
    # No temporary file is left.
    assert list(tmp_path.iterdir()) == [path]


def test_a_lamp_without_a_training_config_comes_back(tmp_path):
    path = tmp_path / "lamp.safetensors"
    weights.save(path, dataclasses.replace(LAMP, training=None))
    assert weights.load(path).training is None


@pytest.mark.filterwarnings("ignore:.*has no checksum")
def test_a_file_of_config_format_1_loads(tmp_path):
    """It had one config, with paths, in place of model and steps per second."""
    config = to_dict(dataclasses.replace(tiny.CONFIG, model=LAMP.config))
    del config["format_version"], config["then"], config["loss"]["extra_weights"]
    config["data"]["data_dir"] = "/somewhere"
    config["training"]["start_from"] = "/somewhere/else"
    flat = {n: np.asarray(p) for n, p in trees.named_leaves(LAMP.params).items()}
    path = tmp_path / "old.safetensors"
    safetensors.numpy.save_file(flat, path, {"config": json.dumps(config)})
    lamp = weights.load(path)
    assert lamp.config == LAMP.config
    assert lamp.steps_per_second == 15.0
    assert lamp.training == dataclasses.replace(tiny.CONFIG, model=LAMP.config)


def test_a_file_takes_two_bytes_a_weight(tmp_path):
    path = tmp_path / "lamp.safetensors"
    weights.save(path, LAMP)
    count = sum(leaf.size for leaf in jax.tree.leaves(LAMP))
    assert 2 * count < path.stat().st_size < 2 * count + 10_000


def test_a_file_has_the_permissions_of_any_other(tmp_path):
    path = tmp_path / "lamp.safetensors"
    weights.save(path, LAMP)
    (tmp_path / "any").touch()
    assert path.stat().st_mode == (tmp_path / "any").stat().st_mode


def message_on_load(path, params):
    weights.save(path, dataclasses.replace(LAMP, params=params))
    with pytest.raises(ValueError) as caught:
        weights.load(path)
    return str(caught.value)


def test_a_parameter_of_another_shape_is_named(tmp_path):
    params = dict(LAMP.params)
    dense = params["generator"]["Dense_0"] | {"kernel": np.zeros((8, 17))}
    params["generator"] = params["generator"] | {"Dense_0": dense}
    message = message_on_load(tmp_path / "wide.safetensors", params)
    assert message.endswith("generator/Dense_0/kernel [8, 17] instead of [8, 16]")


def test_parameters_that_are_missing_or_too_many_are_named(tmp_path):
    params = {name: LAMP.params[name] for name in ("generator", "transition")}
    params["encoder"] = {"Dense_2": {"bias": LAMP.params["encoder"]["Dense_2"]["bias"]}}
    params["door"] = {"kernel": np.zeros(3), "bias": np.zeros(3)}
    message = message_on_load(tmp_path / "without.safetensors", params)
    assert "door/kernel [3] instead of absent" in message
    assert "encoder/Dense_0/bias absent instead of [8]" in message
    # Of 7 encoder parameters and two others, 5 are named.
    assert message.endswith("and 4 more")


def test_an_unknown_name_lists_the_shipped_ones():
    with pytest.raises(ValueError, match="no checkpoint 'lavva'") as caught:
        weights.load("lavva")
    assert all(name in str(caught.value) for name in weights.names())


def test_a_text_file_holds_no_weights(tmp_path):
    path = tmp_path / "text.safetensors"
    path.write_text("These are the weights of a lamp, honestly.\n")
    with pytest.raises(ValueError, match=r"text\.safetensors holds no weights"):
        weights.load(path)


def test_weights_of_another_program_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    safetensors.numpy.save_file({"weight": np.zeros(3, np.float32)}, path)
    with pytest.raises(ValueError, match=r"other\.safetensors holds no weights"):
        weights.load(path)


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match=r"missing\.safetensors"):
        weights.load(tmp_path / "missing.safetensors")


@pytest.mark.filterwarnings("ignore:.*has no checksum")
def test_a_file_without_a_generator_holds_a_convolution(tmp_path):
    """As files were written before generators could be chosen."""
    path = tmp_path / "old.safetensors"
    lamp = tiny.lamp(training=tiny.CONFIG)
    weights.save(path, lamp)
    with safe_open(path, "numpy") as file:
        flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    del metadata["checksum"]
    for name, version in (("model", None), ("training", 2)):
        values = json.loads(metadata[name])
        model = values if name == "model" else values["model"]
        for field in ("generator", "feature_size", "feature_channels", "head_hidden"):
            del model[field]
        if version:
            values["format_version"] = version
        metadata[name] = json.dumps(values)
    safetensors.numpy.save_file(flat, path, metadata)
    loaded = weights.load(path)
    assert loaded.config.generator == loaded.training.model.generator == "convolution"
    z = np.ones((2, 8), np.float32)
    difference = np.int16(loaded.generate(z)) - lamp.generate(z)
    assert np.abs(difference).max() <= 1  # weights are saved in half precision


def test_the_default_is_shipped():
    assert "simulated_64" in weights.names()
    assert weights.DEFAULT in weights.names()


@pytest.mark.parametrize("name", weights.names())
def test_shipped_weights_are_small_and_load(name):
    path = SHIPPED / f"{name}.safetensors"
    assert path.stat().st_size < 8_000_000
    lamp = weights.load(name)
    models.check_fit(lamp.params, config=lamp.config, source=path)
    assert {"generator", "transition"} <= set(lamp.params)
    assert isinstance(lamp.training, Config)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(lamp))


@pytest.mark.parametrize("name", weights.names())
def test_shipped_weights_hold_no_path_of_a_machine(name):
    with safe_open(SHIPPED / f"{name}.safetensors", "numpy") as file:
        assert not re.search(r'"[~/]|[A-Z]:\\\\', " ".join(file.metadata().values()))


@pytest.mark.parametrize("place", [0.02, 0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("bit", [0, 4, 7])
def test_a_flipped_bit_is_noticed(tmp_path, place, bit):
    path = tmp_path / "lamp.safetensors"
    weights.save(path, LAMP)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"lamp\.safetensors"):
        weights.load(path)


def test_a_file_without_a_checksum_is_read_with_a_warning(tmp_path):
    path = tmp_path / "lamp.safetensors"
    weights.save(path, LAMP)
    with safe_open(path, "numpy") as file:
        flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = {k: v for k, v in file.metadata().items() if k != "checksum"}
    safetensors.numpy.save_file(flat, path, metadata)
    with pytest.warns(UserWarning, match=r"lamp\.safetensors has no checksum"):
        weights.load(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    path = tmp_path / "lamp.safetensors"
    params = jax.tree.map(np.array, LAMP.params)
    params["generator"]["Dense_0"]["bias"][3] = value
    assert "not finite: generator/Dense_0/bias" in message_on_load(path, params)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", weights.names())
def test_shipped_weights_have_a_checksum(name):
    weights.load(name)


@pytest.mark.filterwarnings("ignore:.*has no checksum")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("latent_size", 10**30),
        ("latent_size", "8"),
        ("latent_size", []),
        ("transition", "door"),
        ("generator_channels", []),
        ("generator_channels", [[[]]]),
        ("generator_channels", [1e400]),
        ("resolution", -1),
        ("unknown", {"deep": [[{}]]}),
    ],
)
def test_a_config_that_makes_no_sense_is_refused_by_the_name_of_its_file(
    tmp_path, field, value
):
    path = tmp_path / "lamp.safetensors"
    weights.save(path, LAMP)
    with safe_open(path, "numpy") as file:
        flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    model = json.loads(metadata["model"]) | {field: value}
    metadata = {"model": json.dumps(model), "steps_per_second": "5.0"}
    safetensors.numpy.save_file(flat, path, metadata)
    with pytest.raises(ValueError, match=r"lamp\.safetensors"):
        weights.load(path)
