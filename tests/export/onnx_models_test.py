import jax
import numpy as np
import onnx
import onnxruntime
import pytest
import tiny

from duralava import models, weights
from duralava.export import onnx_models

generate = jax.jit(models.generate, static_argnames="config")
transition = jax.jit(models.transition, static_argnames="config")


def opened(model):
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString())


def by_jax(lamp, latents, noise):
    return (
        generate(lamp.params["generator"], latents, config=lamp.config),
        transition(lamp.params["transition"], latents, noise, config=lamp.config),
    )


def assert_same(results, expected):
    for one, other in zip(results, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_a_step_equals_that_of_jax_for_any_number_of_lamps(lamp, arrays, tmp_path):
    path = tmp_path / "lamp.onnx"
    onnx_models.write_onnx(path, onnx_models.step_model(lamp))
    session = onnxruntime.InferenceSession(path)
    assert [value.name for value in session.get_inputs()] == ["latent", "noise"]
    outputs = {value.name: value.shape for value in session.get_outputs()}
    assert outputs == {"frame": ["n", 16, 16, 3], "next_latent": ["n", 8]}
    for n in (1, 3):
        latents, noise = arrays(n, 8)
        results = session.run(None, {"latent": latents, "noise": noise})
        assert np.abs(results[1] - latents).max() > 0.1  # it moves
        assert_same(results, by_jax(lamp, latents, noise))


@pytest.mark.parametrize("size", [16, 40])
def test_a_field_is_exported_at_any_size(arrays, size):
    lamp = tiny.lamp(of=tiny.FIELD)
    latents, noise = arrays(2, 8)
    session = opened(onnx_models.step_model(lamp, size=size))
    assert session.get_outputs()[0].shape == ["n", size, size, 3]
    frame, _ = session.run(None, {"latent": latents, "noise": noise})
    expected = models.generate(
        lamp.params["generator"], latents, size=size, config=lamp.config
    )
    grey_levels = 127.5 * np.abs(frame - expected)
    assert grey_levels.max() < 1e-3
    assert frame.std() > 0.1


def test_a_convolution_is_exported_at_its_own_size_only():
    with pytest.raises(ValueError, match="draws whole frames of 16 pixels only"):
        onnx_models.step_model(tiny.lamp(), size=17)


def test_a_step_of_the_shipped_weights_equals_that_of_jax(arrays):
    lamp = weights.load("simulated_64")
    session = opened(onnx_models.step_model(lamp))
    for n in (1, 2):
        latents, noise = arrays(n, 64)
        results = session.run(None, {"latent": latents, "noise": noise})
        assert_same(results, by_jax(lamp, latents, noise))


def test_a_model_describes_its_arrays(lamp):
    model = onnx_models.step_model(lamp)
    for word in ("latent:", "noise:", "frame:", "next_latent:", "[-1, 1]", "N(0, I)"):
        assert word in model.doc_string
    (entry,) = model.metadata_props
    assert (entry.key, entry.value) == ("steps_per_second", "10")
