import functools

import jax
import numpy as np
import pytest
import safetensors.numpy

from duralava import pretrained
from duralava.config import Config, LossConfig, ModelConfig
from duralava.train_step import init_train_state

MODEL = ModelConfig(
    resolution=16,
    latent_size=8,
    generator_hidden=16,
    generator_channels=(8,),
    discriminator_channels=(8,),
    encoder_channels=(8,),
    transition_layers=1,
    transition_hidden=8,
)
CONFIG = Config(model=MODEL, loss=LossConfig(reconstruction_weight=1.0))


@functools.cache
def make_params():
    init = jax.jit(lambda: init_train_state(jax.random.key(0), config=CONFIG).generator)
    return jax.tree.map(np.asarray, init())


def test_weights_come_back_at_half_precision_with_their_config(tmp_path):
    path = tmp_path / "lamp.safetensors"
    pretrained.save(path, pretrained.Pretrained(make_params(), CONFIG))
    params, config = pretrained.load(path)
    assert config == CONFIG
    assert set(params) == {"generator", "transition", "encoder"}
    jax.tree.map(
        lambda loaded, saved: np.testing.assert_array_equal(
            loaded, saved.astype(np.float16).astype(np.float32)
        ),
        params,
        make_params(),
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(np.float32)}
    # Nothing is left of the file that was written first.
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_takes_two_bytes_a_weight(tmp_path):
    path = tmp_path / "lamp.safetensors"
    pretrained.save(path, pretrained.Pretrained(make_params(), CONFIG))
    count = sum(leaf.size for leaf in jax.tree.leaves(make_params()))
    assert 2 * count < path.stat().st_size < 2 * count + 10_000


def test_others_can_read_a_file_as_any_other(tmp_path):
    path = tmp_path / "lamp.safetensors"
    pretrained.save(path, pretrained.Pretrained(make_params(), CONFIG))
    (tmp_path / "any").touch()
    assert path.stat().st_mode == (tmp_path / "any").stat().st_mode


def message_on_load(path, params):
    pretrained.save(path, pretrained.Pretrained(params, CONFIG))
    with pytest.raises(ValueError) as caught:
        pretrained.load(path)
    return str(caught.value)


def test_a_parameter_of_another_shape_is_named(tmp_path):
    params = dict(make_params())
    dense = params["generator"]["Dense_0"] | {"kernel": np.zeros((8, 17))}
    params["generator"] = params["generator"] | {"Dense_0": dense}
    message = message_on_load(tmp_path / "wide.safetensors", params)
    assert message.endswith("generator/Dense_0/kernel [8, 17] instead of [8, 16]")


def test_parameters_that_are_missing_or_too_many_are_named(tmp_path):
    params = {name: make_params()[name] for name in ("generator", "transition")}
    params["door"] = {"kernel": np.zeros(3)}
    message = message_on_load(tmp_path / "without.safetensors", params)
    assert "door/kernel [3] instead of absent" in message
    assert "encoder/Dense_0/bias absent instead of [256]" in message
    # Of 8 encoder parameters and one other, 5 are named.
    assert message.endswith("and 4 more")


def test_an_unknown_name_lists_the_shipped_ones():
    with pytest.raises(ValueError, match="no checkpoint 'lavva'") as caught:
        pretrained.load("lavva")
    assert all(name in str(caught.value) for name in pretrained.names())


def test_a_text_is_no_weights(tmp_path):
    path = tmp_path / "text.safetensors"
    path.write_text("These are the weights of a lamp, honestly.\n")
    with pytest.raises(ValueError, match=r"text\.safetensors holds no weights"):
        pretrained.load(path)


def test_weights_of_another_program_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    safetensors.numpy.save_file({"weight": np.zeros(3, np.float32)}, path)
    with pytest.raises(ValueError, match=r"other\.safetensors holds no weights"):
        pretrained.load(path)


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match=r"missing\.safetensors"):
        pretrained.load(tmp_path / "missing.safetensors")


def test_the_default_is_shipped():
    assert "simulated_64" in pretrained.names()
    assert pretrained.DEFAULT in pretrained.names()


@pytest.mark.parametrize("name", pretrained.names())
def test_shipped_weights_are_small_and_load(name):
    path = pretrained._FOLDER / f"{name}.safetensors"
    assert path.stat().st_size < 8_000_000
    params, config = pretrained.load(name)
    assert {"generator", "transition"} <= set(params)
    assert isinstance(config, Config)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
