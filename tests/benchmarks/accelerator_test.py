import jax
import jax.numpy as jnp
import numpy as np

from duralava import configs
from duralava.benchmarks import accelerator


def test_all_that_matters_on_an_accelerator_is_measured():
    found = {
        (contender.suite, contender.name, contender.dtype)
        for contender in accelerator.contenders(accelerator.FULL)
    }
    types = ("float32", "bfloat16")
    assert found == {
        *(("peak", "matrix product", dtype) for dtype in types),
        *(
            ("sample", f"{size} px, lamps at once: {count}", dtype)
            for size in (64, 256)
            for count in (1, 16)
            for dtype in types
        ),
        *(
            ("train", f"{size} px, {phase} critics, steps per dispatch: 1", dtype)
            for size in (64, 256)
            for phase in ("without", "with")
            for dtype in types
        ),
        ("train", "64 px, without critics, steps per dispatch: 8", "bfloat16"),
    }


def test_the_training_steps_are_those_of_the_config():
    for phase, config in zip(
        accelerator.PHASES, configs.load("simulated").phases(), strict=True
    ):
        full = accelerator.training_config(phase, 64, "bfloat16", accelerator.FULL)
        assert full == config
        assert config.loss.uses_adversary == (phase == "with critics")


def test_a_batch_has_the_shapes_that_a_step_takes():
    config = accelerator.training_config(
        "with critics", 16, "float32", accelerator.TINY
    )
    batch = accelerator.random_batch(config)
    shapes = jax.tree.map(jnp.shape, batch._asdict())
    assert shapes == {
        "clips": (21, 8, 16, 16, 3),
        "views": (2, 8, 16, 16, 3),
        "view_places": (2, 8, 3),
        "windows": (32, 16, 16, 3),
        "places": (32, 3),
    }


def test_chained_steps_are_steps_one_after_the_other():
    def train_step(state, batch, key):
        state = 2 * state + batch
        return state, {"state": state}

    batches = np.array([3.0, 5.0, 7.0])
    state, metrics = accelerator.chained(train_step, 1.0, batches, None)
    assert state == 2 * (2 * (2 * 1 + 3) + 5) + 7
    np.testing.assert_array_equal(metrics["state"], [5, 15, 37])
