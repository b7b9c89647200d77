"""Trains a lamp.

duralava train --config=simulated_64 --workdir=DIR

Any value of the config can be set: --config.training.num_steps=100. Later phases of a
config are --config.then[0], --config.then[1], ... With the same workdir, the same
command continues a run that was stopped.

A run uses all devices of its machine. To use several machines, start it on each of them
with --distributed. Under SLURM or on a Cloud TPU nothing else is needed; elsewhere add
--coordinator=HOST:PORT --num_processes=N --process_id=I.
"""

from collections.abc import Sequence

from absl import flags
from etils import epy

from duralava.commands import config_flag
from duralava.config import Config, from_dict
from duralava.datasets import DATA_DIR

with epy.lazy_imports():
    import jax

    from duralava.training import loop

_CONFIG = config_flag.define(None)
flags.adopt_module_key_flags(config_flag)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder for checkpoints and events.")
_DATA_DIR = flags.DEFINE_string("data_dir", DATA_DIR, "Folder of prepared data sets.")
_START_FROM = flags.DEFINE_string(
    "start_from",
    None,
    "Shipped name, workdir or file of weights to start from; fresh ones if not given.",
)
_DISTRIBUTED = flags.DEFINE_boolean(
    "distributed", False, "Whether this is one of several processes."
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "Address HOST:PORT of process 0."
)
_NUM_PROCESSES = flags.DEFINE_integer(
    "num_processes", None, "Number of processes.", lower_bound=1
)
_PROCESS_ID = flags.DEFINE_integer(
    "process_id", None, "Which of them this is, from 0.", lower_bound=0
)
flags.mark_flags_as_required(["config", "workdir"])


def main(_: Sequence[str]) -> None:
    """Trains and says where the checkpoints are."""
    config = from_dict(Config, _CONFIG.value.to_dict())
    processes = _COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value
    if _DISTRIBUTED.value:
        try:
            jax.distributed.initialize(*processes)
        except ValueError as error:
            raise ValueError(f"--distributed: {error}") from error
    elif processes != (None, None, None):
        raise ValueError(
            "--coordinator, --num_processes and --process_id go with --distributed"
        )
    state = loop.train(
        config,
        _WORKDIR.value,
        data_dir=_DATA_DIR.value,
        start_from=_START_FROM.value,
    )
    if jax.process_index() == 0:
        print(f"trained {int(state.step)} steps: {_WORKDIR.value}")
