import jax
import jax.export
import numpy as np
import tiny

from duralava import models
from duralava.export import stablehlo


def test_a_field_is_exported_at_any_size(arrays, tmp_path):
    path, lamp = tmp_path / "lamp.stablehlo", tiny.lamp(of=tiny.FIELD)
    stablehlo.write_stablehlo(path, lamp, size=24)
    step = jax.export.deserialize(bytearray(path.read_bytes()))
    latents, noise = arrays(2, 8)
    frame, _ = step.call(latents, noise)
    expected = models.generate(
        lamp.params["generator"], latents, size=24, config=lamp.config
    )
    np.testing.assert_allclose(frame, expected, atol=1e-5)


def test_a_written_file_holds_the_step_for_any_number_of_lamps(lamp, arrays, tmp_path):
    path = tmp_path / "lamp.stablehlo"
    stablehlo.write_stablehlo(path, lamp)
    step = jax.export.deserialize(bytearray(path.read_bytes()))
    assert set(step.platforms) == {"cpu", "cuda", "rocm", "tpu"}
    assert "stablehlo.tanh" in step.mlir_module()
    config = lamp.config
    for n in (1, 3):
        latents, noise = arrays(n, 8)
        frame, next_latent = step.call(latents, noise)
        expected = models.generate(lamp.params["generator"], latents, config=config)
        np.testing.assert_allclose(frame, expected, atol=1e-5)
        expected = models.transition(
            lamp.params["transition"], latents, noise, config=config
        )
        np.testing.assert_allclose(next_latent, expected, atol=1e-5)
