"""Compiles training steps for TPUs that this machine does not have."""

import dataclasses
import functools
import importlib
import os
import time
from collections.abc import Sequence
from typing import Any

import jax
from jax.experimental import topologies

from duralava import extras, tables
from duralava.benchmarks import report
from duralava.benchmarks.accelerator import random_batch
from duralava.config import Config
from duralava.tables import Column
from duralava.training import sharding, step
from duralava.training.state import init_train_state

_ENVIRONMENT = {
    # No device is used, so that another process may use them.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    # libtpu asks what this machine is, and complains if it is not a TPU.
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
    "TPU_WORKER_HOSTNAMES": "localhost",
}


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a training step costs each device, by XLA's own count.

    Attributes:
      name: of the step.
      devices: number of devices that share the batch.
      compile_seconds: duration of lowering and compilation.
      flops: floating-point operations; the body of a loop counts once.
      bytes_accessed: bytes that are read from and written to memory.
      temporary_bytes: memory for values between the operations.
      argument_bytes: memory of the state and the batch.
      code_bytes: size of the program.
    """

    name: str
    devices: int
    compile_seconds: float
    flops: float
    bytes_accessed: float
    temporary_bytes: int
    argument_bytes: int
    code_bytes: int


def devices_of(topology: str) -> list[jax.Device]:
    """Returns the devices of a TPU to compile for.

    Args:
      topology: version, and number of chips along each axis, as `v5e:2x4`.

    Raises:
      ValueError: there is no such topology, or libtpu is not installed.
    """
    with extras.needed("tpu"):
        importlib.import_module("libtpu")
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        return topologies.get_topology_desc(topology, "tpu").devices
    except jax.errors.JaxRuntimeError as error:
        raise ValueError(f"no TPU topology '{topology}': {error}") from error


def cost(name: str, config: Config, devices: Sequence[jax.Device]) -> Cost:
    """Compiles a training step whose batch is shared between devices.

    Args:
      name: of the step.
      config: of the run.
      devices: of `devices_of`.

    Raises:
      ValueError: the batch cannot be shared equally.
    """
    arguments = _shapes(config, devices)
    start = time.perf_counter()
    program = jax.jit(
        functools.partial(step.train_step, config=config), donate_argnums=0
    )
    compiled = program.lower(*arguments).compile()
    seconds = time.perf_counter() - start
    operations, memory = compiled.cost_analysis(), compiled.memory_analysis()
    return Cost(
        name=name,
        devices=len(devices),
        compile_seconds=seconds,
        flops=operations["flops"],
        bytes_accessed=operations["bytes accessed"],
        temporary_bytes=memory.temp_size_in_bytes,
        argument_bytes=memory.argument_size_in_bytes,
        code_bytes=memory.generated_code_size_in_bytes,
    )


def as_json(
    topology: str, devices: Sequence[jax.Device], costs: Sequence[Cost]
) -> dict[str, Any]:
    """Returns costs, and what was compiled where, as values for JSON."""
    return {
        "machine": report.machine(),
        "device": {"name": devices[0].device_kind, "topology": topology},
        "steps": [dataclasses.asdict(cost) for cost in costs],
    }


def table(costs: Sequence[Cost]) -> str:
    """Returns a table with one line for each step."""
    columns = (
        Column("training step", lambda cost: cost.name),
        Column("devices", lambda cost: cost.devices),
        Column("compiled in", lambda cost: cost.compile_seconds, report.seconds),
        Column("GFLOP", lambda cost: cost.flops / 1e9, ".1f"),
        Column("accessed", lambda cost: cost.bytes_accessed, report.megabytes),
        Column("temporary", lambda cost: cost.temporary_bytes, report.megabytes),
        Column("arguments", lambda cost: cost.argument_bytes, report.megabytes),
        Column("code", lambda cost: cost.code_bytes, report.megabytes),
    )
    return tables.plain(costs, columns)


def _shapes(config: Config, devices: Sequence[jax.Device]) -> tuple[Any, ...]:
    """Returns the arguments of a training step, as shapes with shardings."""
    of_state, of_batch = sharding.shardings(config, devices)
    key = jax.random.key(config.training.seed)
    state = jax.eval_shape(functools.partial(init_train_state, config=config), key)
    arguments = (state, random_batch(config), key)
    return jax.tree.map(
        lambda leaf, place: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=place
        ),
        arguments,
        jax.tree.broadcast((of_state, of_batch, of_state.step), arguments),
    )
