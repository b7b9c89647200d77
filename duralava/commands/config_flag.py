"""The flag `--config`: the name of a config, or a file with a `get_config()`."""

from absl import flags
from ml_collections import ConfigDict, config_flags

from duralava import configs


class _ByName(flags.ArgumentParser):
    """Finds a config by its name in `duralava.configs`, else as a file."""

    def __init__(self, file_parser: flags.ArgumentParser) -> None:
        self._file_parser = file_parser

    def parse(self, path: str) -> ConfigDict:
        """Returns the `get_config()` of a config."""
        return self._file_parser.parse(configs.path(path))

    def flag_type(self) -> str:
        """Returns what the flag holds, for the help."""
        return self._file_parser.flag_type()


def define(default: str | None) -> flags.FlagHolder[ConfigDict]:
    """Defines `--config`, and `--config.SECTION.FIELD` for each of its fields."""
    holder = config_flags.DEFINE_config_file(
        "config", None, "Name of a config, or its file."
    )
    flag = flags.FLAGS["config"]
    flag.parser = _ByName(flag.parser)
    flags.set_default(holder, default)
    return holder


def given() -> list[str]:
    """Returns the names of the fields that are set on the command line."""
    return list(config_flags.get_override_values(flags.FLAGS["config"]))
