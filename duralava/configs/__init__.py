"""The configs of training runs, a module each with a `get_config()`.

A config's docstring gives the command, the hardware, the time and the result.
"""

import importlib
import importlib.util
import pathlib
import pkgutil
import types

from duralava.config import Config, from_dict


def names() -> list[str]:
    """Returns the names of the configs of this package, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def path(name: str) -> str:
    """Returns the file of a config: of this package, or the file that is named.

    Raises:
      ValueError: there is none.
    """
    if name in names():
        return str(pathlib.Path(__file__).with_name(f"{name}.py"))
    if not pathlib.Path(name).is_file():
        raise ValueError(
            f"no config '{name}': neither a file, nor one of {', '.join(names())}"
        )
    return name


def load(name: str) -> Config:
    """Returns a config by its name, or from a file with a `get_config()`.

    Raises:
      ValueError: there is none, or it does not fit `Config`.
    """
    return from_dict(Config, _module(path(name)).get_config().to_dict())


def _module(file: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(pathlib.Path(file).stem, file)
    if spec is None:
        raise ValueError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
