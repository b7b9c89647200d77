"""Trains a lamp.

duralava train --config=simulated_64 --workdir=DIR

Any value of the config can be set: --config.training.num_steps=100. Started again
with the same workdir, a run goes on where it was stopped.

A run uses all devices of its machine. Over several machines it is started on each with
--distributed; under SLURM or on a Cloud TPU that is all, elsewhere add
--coordinator=HOST:PORT --num_processes=N --process_id=I.
"""

from collections.abc import Sequence

from absl import flags
from ml_collections import config_flags

from duralava.config import Config, from_dict

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Name of a config, or its file."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder for checkpoints and events.")
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
    # Here, as what it imports takes seconds: not twice, should the program start anew.
    import jax

    from duralava import training

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
    state = training.train(config, _WORKDIR.value)
    if jax.process_index() == 0:
        print(f"trained {int(state.step)} steps: {_WORKDIR.value}")
