import dataclasses
import json
import math

import pytest

from duralava.config import (
    FORMAT_VERSION,
    Config,
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    Phase,
    TrainingConfig,
    from_dict,
    to_dict,
    with_generator,
)
from duralava.losses import ENCODER_TERMS, has_weight


def unusual_config():
    return Config(
        data=DataConfig(clip_length=7, film_fps=24.0),
        model=ModelConfig(generator_channels=(8, 16), transition="mlp", refresh=0.25),
        loss=LossConfig(
            adversarial="bce", gradient_penalty="none", extra_weights=(("new", 0.5),)
        ),
        then=(Phase(loss=LossConfig(rollout_weight=1.0, rollout_steps=6)),),
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
    with pytest.raises(ValueError, match=r"adversarial is 'bec'.*relativistic, bce"):
        from_dict(Config, {"loss": {"adversarial": "bec"}})


def test_equal_configs_are_one_key_even_after_json():
    restored = from_dict(Config, json.loads(json.dumps(to_dict(unusual_config()))))
    assert hash(restored) == hash(unusual_config())
    assert len({restored, unusual_config(), Config()}) == 2


def test_steps_per_second_is_the_films_rate_over_the_stride():
    assert DataConfig(film_fps=30.0, frame_stride=6).steps_per_second == 5.0


def test_a_weight_of_zero_switches_a_network_off():
    assert not LossConfig(adversarial_weight=0.0).uses_adversary
    assert LossConfig(adversarial_weight=0.5).uses_adversary
    assert not has_weight(ENCODER_TERMS, config=LossConfig())
    assert has_weight(ENCODER_TERMS, config=LossConfig(reconstruction_weight=1.0))
    assert has_weight(ENCODER_TERMS, config=LossConfig(rollout_weight=1.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModelConfig(resolution=64.0), "model.resolution must be a whole"),
        (lambda: ModelConfig(resolution="64"), "model.resolution must be a whole"),
        (lambda: DataConfig(batch_size=True), "data.batch_size must be a whole"),
        (lambda: DataConfig(horizontal_flip=1), "data.horizontal_flip must be true or"),
        (lambda: DataConfig(dataset=None), "data.dataset must be text, not None"),
        (lambda: DataConfig(film_fps="30"), "data.film_fps must be a number, not '30'"),
        (lambda: ModelConfig(generator_channels=None), "must be a tuple, not None"),
        (
            lambda: ModelConfig(encoder_channels=(8, "8")),
            r"channels\[1\] must be a who",
        ),
        (lambda: LossConfig(extra_weights=(("a", 1, 2),)), "must have 2 entries"),
        (lambda: Config(data={}), "data must be a DataConfig, not {}"),
    ],
)
def test_a_value_of_another_type_is_refused_by_the_name_of_its_field(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModelConfig(refresh=1.0), "model.refresh must be below 1, not 1"),
        (lambda: ModelConfig(refresh=-0.1), "model.refresh must be at least 0"),
        (lambda: ModelConfig(latent_size=0), "model.latent_size must be at least 4"),
        (lambda: ModelConfig(latent_size=6), "must be a multiple of 4, not 6"),
        (lambda: DataConfig(frame_stride=0), "data.frame_stride must be at least 1"),
        (lambda: DataConfig(film_fps=0.0), "data.film_fps must be above 0"),
        (lambda: DataConfig(film_fps=math.nan), "data.film_fps must be finite"),
        (
            lambda: DataConfig(film_fps=10**400),
            r"data.film_fps must be below 2\^63, not of 401 digits",
        ),
        (
            lambda: DataConfig(frame_stride=10**400),
            r"data.frame_stride must be below 2\^63, not of 401 digits",
        ),
        (lambda: DataConfig(film_fps=math.inf), "data.film_fps must be finite"),
        (
            lambda: ModelConfig(encoder_channels=(8, 0)),
            "model.encoder_channels must be",
        ),
        (lambda: LossConfig(reset_probability=1.5), "must be at most 1, not 1.5"),
        (lambda: LossConfig(rollout_weight=-1.0), "loss.rollout_weight must be at lea"),
        (lambda: OptimizerConfig(b1=1.0), "optimizer.b1 must be below 1"),
        (lambda: TrainingConfig(num_steps=0), "training.num_steps must be at least 1"),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_name_of_its_field(make, message):
    with pytest.raises(ValueError, match=message):
        make()


ENCODED = LossConfig(reconstruction_weight=1.0, rollout_steps=5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"loss": LossConfig(adversarial_steps=21)},
            r"^loss.adversarial_steps must be at most data.clip_length \(20\), not 21$",
        ),
        (
            {"loss": ENCODED, "data": DataConfig(clip_length=5)},
            r"^loss.rollout_steps must be below data.clip_length \(5\), not 5$",
        ),
        (
            {"model": ModelConfig(discriminator_channels=(8, 8, 8, 8, 8))},
            "^model.discriminator_channels do not fit model.resolution: 5 layers",
        ),
        (
            {"loss": ENCODED, "model": ModelConfig(encoder_channels=())},
            "^model.encoder_channels do not fit model.resolution: 0 layers do not",
        ),
        (
            {"training": TrainingConfig(clips_at_once=5)},
            r"^training.clips_at_once must divide data.batch_size \(16\), not 5$",
        ),
        (
            {"then": (Phase(), Phase(loss=LossConfig(adversarial_steps=21)))},
            r"^then\[1\]\.loss.adversarial_steps must be at most",
        ),
    ],
)
def test_values_that_do_not_go_together_are_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        Config(**values)


def test_layers_that_do_not_lead_to_the_smallest_size_are_refused():
    with pytest.raises(ValueError, match=r"channels do not fit model.resolution: 3 la"):
        ModelConfig(generator="convolution", resolution=66)
    with pytest.raises(ValueError, match=r"channels do not fit model.feature_size: 3 "):
        ModelConfig(feature_size=34)
    with pytest.raises(ValueError, match=r"loss.rollout_frames must be at most"):
        LossConfig(rollout_frames=9)


def test_networks_that_are_not_trained_need_not_fit():
    Config(
        model=ModelConfig(encoder_channels=(), discriminator_channels=()),
        loss=LossConfig(adversarial_weight=0.0, rollout_steps=30),
    )


def test_a_whole_number_is_accepted_as_a_float_and_becomes_one():
    config = LossConfig(normality_weight=1)
    assert config == LossConfig(normality_weight=1.0)
    assert isinstance(config.normality_weight, float)


def test_phases_share_data_and_networks():
    config = unusual_config()
    first, second = config.phases()
    assert first == dataclasses.replace(config, then=())
    assert second.loss.rollout_weight == 1.0
    assert (second.data, second.model) == (config.data, config.model)
    assert second.then == ()


def test_a_config_carries_its_format_version():
    assert to_dict(Config())["format_version"] == FORMAT_VERSION


def test_paths_of_format_1_are_dropped():
    values = {
        "data": {"clip_length": 7, "data_dir": "/somewhere"},
        "training": {"num_steps": 5, "start_from": "/somewhere/else"},
    }
    expected = Config(
        data=DataConfig(clip_length=7), training=TrainingConfig(num_steps=5)
    )
    assert from_dict(Config, values) == expected
    with pytest.raises(ValueError, match="DataConfig has no field data_dir"):
        from_dict(Config, {"format_version": 2} | values)


@pytest.mark.parametrize("version", [1, 2])
def test_generators_before_format_3_are_convolutions(version):
    old = to_dict(Config(model=ModelConfig(generator="convolution")))
    del old["model"]["generator"], old["model"]["feature_size"]
    assert from_dict(Config, old | {"format_version": version}).model == ModelConfig(
        generator="convolution"
    )
    assert from_dict(ModelConfig, with_generator(old["model"])) == ModelConfig(
        generator="convolution"
    )
    assert from_dict(Config, old | {"format_version": 3}).model == ModelConfig()
    assert from_dict(Config, to_dict(Config())).model.generator == "field"


def test_a_newer_format_is_refused():
    with pytest.raises(ValueError, match=f"reads versions up to {FORMAT_VERSION}"):
        from_dict(Config, {"format_version": FORMAT_VERSION + 1})
