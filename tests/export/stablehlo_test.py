import jax
import jax.export
import numpy as np

from duralava import models
from duralava.export import stablehlo


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
