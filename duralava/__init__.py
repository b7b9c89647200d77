"""A neural network that simulates a lava lamp for ever.

    import duralava

    lamp = duralava.load()
    for frame in lamp.film(seconds=10):
        ...  # uint8 [64, 64, 3]

Each name is imported when it is first used, so that `import duralava` is quick.
"""

import importlib
from typing import Any

from duralava import extras

_PLACES = {
    "Config": "config:Config",
    "DataConfig": "config:DataConfig",
    "Lamp": "lamp:Lamp",
    "LossConfig": "config:LossConfig",
    "ModelConfig": "config:ModelConfig",
    "OptimizerConfig": "config:OptimizerConfig",
    "Phase": "config:Phase",
    "Plan": "evaluation.plan:Plan",
    "RolloutState": "lamp:RolloutState",
    "TrainingConfig": "config:TrainingConfig",
    "evaluate": "evaluation.evaluate:evaluate",
    "load": "weights:load",
    "load_config": "configs:load",
    "prepare": "datasets.preparation:prepare",
    "render": "api:render",
    "save": "weights:save",
    "simulate": "simulation:film",
    "train": "api:train",
}

__all__ = ["__version__", *_PLACES]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata

        return metadata.version(__name__)
    if name not in _PLACES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    module, _, attribute = _PLACES[name].partition(":")
    with extras.needed("train"):
        value = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
