"""The flag `--config`: the name of a config, or a file with a `get_config()`."""

from absl import flags
from ml_collections import ConfigDict, config_flags

from duralava import configs


class _NamedConfigParser(config_flags.ConfigFileFlagParser):
    """Finds a config by its name in `duralava.configs`, else as a file."""

    def parse(self, path: str) -> ConfigDict:
        """Returns the `get_config()` of a config."""
        return super().parse(configs.path(path))


def define(default: str | None) -> flags.FlagHolder[ConfigDict]:
    """Defines `--config`, and `--config.SECTION.FIELD` for each of its fields."""
    holder = config_flags.DEFINE_config_file(
        "config", None, "Name of a config, or its file."
    )
    flags.FLAGS["config"].parser = _NamedConfigParser("config")
    flags.set_default(holder, default)
    return holder
