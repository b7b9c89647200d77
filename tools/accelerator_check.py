"""Measures training and sampling on a GPU or a TPU, or compiles for one.

python tools/accelerator_check.py --output=accelerator.json --profile=profile
python tools/accelerator_check.py --compile_for=v5e:2x4

The first command takes about 8 minutes at most. On a CPU it measures tiny networks. The
second one compiles training steps for TPUs that this machine need not have, for one
device and for all of them together, and prints what a step costs.
"""

import sys
from collections.abc import Sequence
from typing import Any

from absl import flags
from etils import epy

from duralava import command_line, extras, files

with epy.lazy_imports():
    import jax

    from duralava.benchmarks import accelerator, ahead_of_time

_OUTPUT = flags.DEFINE_string("output", None, "JSON file for all figures.")
_PROFILE = flags.DEFINE_string("profile", None, "Folder for a profile of training.")
_MINUTES = flags.DEFINE_float(
    "minutes", 6.5, "No measurement starts after so many minutes.", lower_bound=0
)
_TINY = flags.DEFINE_boolean(
    "tiny", None, "Tiny networks and few frames; the default on a CPU."
)
_COMPILE_FOR = flags.DEFINE_string(
    "compile_for", None, "Only compile, for a TPU of this topology, as v5e:2x4."
)


def main(_: Sequence[str]) -> None:
    """Measures or compiles, prints a table and writes all figures."""
    for path in (_OUTPUT.value, _PROFILE.value):
        if path:
            files.check_parent(path)
    if _COMPILE_FOR.value:
        _compile(_COMPILE_FOR.value)
    else:
        _measure()


def _measure() -> None:
    tiny = _TINY.value
    if tiny is None:
        tiny = jax.default_backend() == "cpu"
    sizes = accelerator.TINY if tiny else accelerator.FULL
    outcomes = []
    for outcome in accelerator.measure_all(sizes, seconds=60 * _MINUTES.value):
        outcomes.append(outcome)
        # After each one, so that little is lost if the machine is taken away.
        _write({"tiny": tiny} | accelerator.as_json(outcomes))
        print(f"{len(outcomes)}: {outcome.name}", file=sys.stderr)
    print(accelerator.table(outcomes))
    if _PROFILE.value:
        accelerator.profile(_PROFILE.value, sizes)
        print(f"wrote a profile: {_PROFILE.value}")
    if _OUTPUT.value:
        print(f"wrote all figures: {_OUTPUT.value}")


def _compile(topology: str) -> None:
    # The devices are not there: what runs, runs on the CPU.
    jax.config.update("jax_platforms", "cpu")
    # A program from the cache takes no time.
    jax.config.update("jax_enable_compilation_cache", False)
    devices = ahead_of_time.devices_of(topology)
    sizes = accelerator.TINY if _TINY.value else accelerator.FULL
    costs = []
    for phase in accelerator.PHASES:
        config = accelerator.training_config(
            phase, min(sizes.clips), sizes.dtypes[-1], sizes
        )
        for count in sorted({1, len(devices)}):
            print(f"compiling: {phase}, devices: {count}", file=sys.stderr)
            costs.append(ahead_of_time.cost(phase, config, devices[:count]))
            _write(ahead_of_time.as_json(topology, devices, costs))
    print(ahead_of_time.table(costs))
    if _OUTPUT.value:
        print(f"wrote all figures: {_OUTPUT.value}")


def _write(contents: dict[str, Any]) -> None:
    """Writes values to the file of `--output`, if there is one."""
    if _OUTPUT.value:
        with files.written_whole(_OUTPUT.value) as path:
            files.write_json(path, contents)


if __name__ == "__main__":
    command_line.run(extras.needed("train")(main))
