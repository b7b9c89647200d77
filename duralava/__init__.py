"""A neural network that simulates a lava lamp for ever.

    import duralava

    lamp = duralava.load()
    for frame in lamp.film(seconds=10):
        ...  # uint8 [64, 64, 3]

Names are imported when they are first used, so that `import duralava` is quick.
"""

import importlib
import importlib.metadata
from typing import Any

_HOMES = {
    "Config": "duralava.config",
    "DataConfig": "duralava.config",
    "Lamp": "duralava.lamp",
    "LossConfig": "duralava.config",
    "ModelConfig": "duralava.config",
    "OptimizerConfig": "duralava.config",
    "Phase": "duralava.config",
    "RolloutState": "duralava.lamp",
    "TrainingConfig": "duralava.config",
    "evaluate": "duralava.api",
    "load": "duralava.weights",
    "load_config": "duralava.configs",
    "prepare": "duralava.api",
    "render": "duralava.api",
    "save": "duralava.weights",
    "simulate": "duralava.simulation",
    "train": "duralava.api",
}
_NAMES_THERE = {"load_config": "load", "simulate": "film"}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("duralava")
    if name not in _HOMES:
        raise AttributeError(f"module 'duralava' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), _NAMES_THERE.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
