import re

import jax
import numpy as np
import pytest
import tiny

from duralava import models, trees

generate_uint8 = jax.jit(models.generate_uint8, static_argnames="config")
generate = jax.jit(models.generate, static_argnames="config")


def fresh_params(*, with_encoder=True):
    return tiny.lamp(with_encoder=with_encoder).params


def check_fit(params, **options):
    return models.check_fit(params, config=tiny.MODEL, source="a file", **options)


def test_an_encoder_is_optional_and_changes_no_other_parameter():
    without = fresh_params(with_encoder=False)
    whole = fresh_params()
    assert set(without) == {"generator", "transition"}
    assert set(whole) == {*without, "encoder"}
    del whole["encoder"]
    jax.tree.map(np.testing.assert_array_equal, whole, without)


def test_the_networks_accept_fresh_parameters():
    config, params = tiny.MODEL, fresh_params()
    latents = tiny.normal(1, 3, 8)
    frames = generate(params["generator"], latents, config=config)
    assert frames.shape == (3, 16, 16, 3)
    assert models.encode(params["encoder"], frames, config=config).shape == (3, 8)
    moved, _ = models.rollout(
        params["transition"], latents, jax.random.key(2), 0, num_steps=1, config=config
    )
    assert moved.shape == (3, 8)


@pytest.mark.parametrize("batch", [(), (3,), (2, 25)])  # 50 are more than one group
def test_frames_for_display_are_those_of_the_generator(batch):
    params = fresh_params()["generator"]
    latents = tiny.normal(1, *batch, 8)
    frames = generate_uint8(params, latents, config=tiny.MODEL)
    expected = models.to_uint8(generate(params, latents, config=tiny.MODEL))
    assert frames.dtype == np.uint8
    np.testing.assert_allclose(np.int32(frames), np.int32(expected), atol=1)


@pytest.mark.parametrize("with_encoder", [True, False])
def test_parameters_of_the_config_fit_with_and_without_an_encoder(with_encoder):
    params = fresh_params(with_encoder=with_encoder)
    shapes = jax.tree.map(lambda leaf: leaf.shape, params)
    for found in (params, trees.named_leaves(params)):
        expected = check_fit(found)
        assert jax.tree.map(lambda leaf: leaf.shape, expected) == shapes
        assert check_fit(found, with_encoder=with_encoder) == expected


def test_a_missing_encoder_is_an_error_where_one_is_needed():
    params = fresh_params(with_encoder=False)
    with pytest.raises(
        ValueError, match=r"encoder/Dense_0/bias absent instead of \[8\]"
    ):
        check_fit(params, with_encoder=True)


def test_a_superfluous_encoder_is_an_error_where_none_is_needed():
    with pytest.raises(
        ValueError, match=r"encoder/Dense_0/bias \[8\] instead of absent"
    ):
        check_fit(fresh_params(), with_encoder=False)


def test_a_parameter_of_another_shape_is_an_error_that_gives_both_shapes():
    params = fresh_params()
    params["generator"]["background"] = np.zeros((16, 8, 3))
    message = (
        "parameters in a file do not fit their config: "
        "generator/background [16, 8, 3] instead of [16, 16, 3]"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_fit(params)


def test_missing_and_unknown_parameters_are_named():
    params = fresh_params()
    del params["transition"]["basis"]
    params["generator"]["door"] = np.zeros(3)
    with pytest.raises(ValueError) as caught:
        check_fit(params)
    assert str(caught.value).endswith(
        "generator/door [3] instead of absent, "
        "transition/basis absent instead of [1, 8, 8]"
    )


def test_of_many_that_differ_five_are_named_and_the_others_counted():
    params = fresh_params(with_encoder=False) | {
        "door": {f"bias_{index}": np.zeros(3) for index in range(7)}
    }
    with pytest.raises(ValueError, match=r"and 2 more$") as caught:
        check_fit(params)
    assert str(caught.value).count("door/bias_") == 5


def test_a_run_with_another_flow_keeps_generator_and_encoder():
    flow = tiny.lamp(of=tiny.FIELD, flow_layers=1, transition_hidden=4).params
    fresh = tiny.lamp(seed=1, of=tiny.FIELD).params
    params = models.with_fresh_parts(flow, fresh)
    assert params["generator"].keys() == {"trunk", "head"}
    assert params["generator"]["trunk"] is flow["generator"]["trunk"]
    assert params["encoder"] is flow["encoder"]
    assert params["transition"] is fresh["transition"]
    assert models.with_fresh_parts(flow, flow) is flow
    back = models.with_fresh_parts(fresh, flow)
    assert back["generator"]["flow"] is flow["generator"]["flow"]
    assert back["transition"] is flow["transition"]
