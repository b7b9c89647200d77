import json

import pytest

from duralava.config import (
    Config,
    DataConfig,
    LossConfig,
    ModelConfig,
    from_dict,
    to_dict,
)


def unusual_config():
    return Config(
        data=DataConfig(clip_length=7, film_fps=24.0),
        model=ModelConfig(generator_channels=(8, 16), transition="mlp", refresh=0.25),
        loss=LossConfig(adversarial="bce", gradient_penalty="none"),
    )


def test_a_config_survives_a_dict():
    assert from_dict(Config, to_dict(unusual_config())) == unusual_config()


def test_a_config_survives_json_with_its_tuples():
    restored = from_dict(Config, json.loads(json.dumps(to_dict(unusual_config()))))
    assert restored == unusual_config()
    assert restored.model.generator_channels == (8, 16)
    assert isinstance(restored.model, ModelConfig)


def test_what_a_dict_leaves_out_is_the_default():
    values = {"data": {"clip_length": 7}}
    assert from_dict(Config, values) == Config(data=DataConfig(clip_length=7))
    assert from_dict(ModelConfig, {}) == ModelConfig()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modle": {}}, "Config has no field modle"),
        ({"model": {"latent_sise": 3}}, "ModelConfig has no field latent_sise"),
        ({"loss": {"b": 1, "a": 2}}, "LossConfig has no field a, b"),
    ],
)
def test_an_unknown_key_is_named(values, message):
    with pytest.raises(ValueError, match=message):
        from_dict(Config, values)


def test_a_value_that_is_no_choice_is_named_with_the_choices():
    with pytest.raises(ValueError, match=r"transition is 'mpl'.*rotation, mlp"):
        from_dict(Config, {"model": {"transition": "mpl"}})


def test_equal_configs_are_one_key_even_after_json():
    restored = from_dict(Config, json.loads(json.dumps(to_dict(unusual_config()))))
    assert hash(restored) == hash(unusual_config())
    assert len({restored, unusual_config(), Config()}) == 2


def test_steps_per_second_is_the_films_rate_over_the_stride():
    assert DataConfig(film_fps=30.0, frame_stride=6).steps_per_second == 5.0


def test_a_weight_of_zero_switches_a_network_off():
    assert not LossConfig(adversarial_weight=0.0).uses_adversary
    assert LossConfig(adversarial_weight=0.5).uses_adversary
    assert not LossConfig().uses_encoder
    assert LossConfig(reconstruction_weight=1.0).uses_encoder
    assert LossConfig(rollout_weight=1.0).uses_encoder
