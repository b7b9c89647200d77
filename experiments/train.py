"""Trains a lamp.

  python experiments/train.py --config=experiments/configs/simulated_64.py --workdir=DIR

Any value of the config can be set: --config.training.num_steps=100. Started again
with the same workdir, a run goes on where it was stopped.
"""

from collections.abc import Sequence

from absl import flags
from ml_collections import config_flags

from duralava import command_line
from duralava.config import Config, from_dict

_CONFIG = config_flags.DEFINE_config_file("config", None, "File of get_config().")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder for checkpoints and events.")
flags.mark_flags_as_required(["config", "workdir"])


def main(_: Sequence[str]) -> None:
    """Trains and says where the checkpoints are."""
    # Here, as what it imports takes seconds: not twice, should the program start anew.
    from duralava import training

    config = from_dict(Config, _CONFIG.value.to_dict())
    state = training.train(config, _WORKDIR.value)
    print(f"trained {int(state.step)} steps: {_WORKDIR.value}")


if __name__ == "__main__":
    command_line.use_huge_pages()
    command_line.run(main)
