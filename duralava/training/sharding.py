"""Data parallelism: a run over all devices of all processes."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from duralava.config import Config, TrainingConfig
from duralava.datasets.clips import Batch
from duralava.training.state import TrainState


class Placement(NamedTuple):
    """Functions that place arrays on all devices.

    Attributes:
      state: places a state.
      batch: places a batch.
    """

    state: Callable[[TrainState], TrainState]
    batch: Callable[[Batch], Batch]


def placement(config: Config) -> Placement:
    """Returns functions that place the state and a batch on all devices.

    Raises:
      ValueError: as `shardings`.
    """
    of_state, of_batch = shardings(config, jax.devices())

    def place(leaf: jax.Array, sharding: NamedSharding) -> jax.Array:
        # Every process holds the whole array, and gives its devices their parts.
        whole = np.asarray(leaf)
        return jax.make_array_from_callback(whole.shape, sharding, whole.__getitem__)

    def place_state(state: TrainState) -> TrainState:
        return jax.tree.map(place, state, jax.tree.broadcast(of_state, state))

    def place_batch(batch: Batch) -> Batch:
        return jax.tree.map(
            jax.make_array_from_process_local_data, of_batch, Batch(*batch)
        )

    return Placement(place_state, place_batch)


def shardings(
    config: Config, devices: Sequence[jax.Device]
) -> tuple[TrainState, Batch]:
    """Returns how a state and a batch are shared between devices.

    Parameters are replicated; clips, windows and the latents that are carried are
    sharded.

    Returns:
      A sharding for each field of a state, and of a batch.

    Raises:
      ValueError: batch or lamps cannot be shared equally between the devices.
    """
    count, num_windows = len(devices), config.data.windows
    for number, what in (
        (config.data.batch_size, "a batch of {} clips"),
        (num_windows, "a batch of {} windows"),
        (config.loss.normality_lamps, "{} lamps"),
        (config.loss.num_carried(num_windows), "{} carried lamps"),
    ):
        if number % count:
            raise ValueError(
                f"{what.format(number)} cannot be shared equally between {count} "
                "devices"
            )
    mesh = jax.make_mesh((count,), ("data",), (AxisType.Auto,), devices=devices)
    replicated = NamedSharding(mesh, PartitionSpec())
    by_lamp = NamedSharding(mesh, PartitionSpec("data"))
    by_clip = NamedSharding(mesh, PartitionSpec(None, "data"))
    by_window = by_lamp if num_windows else replicated
    state = TrainState(*[replicated] * len(TrainState._fields))
    return (
        state._replace(latent_pool=by_lamp),
        Batch(by_clip, by_clip, by_clip, by_window, by_window),
    )


def any_process(condition: bool, step: int, training: TrainingConfig) -> bool:
    """Whether a condition holds on this process, or on any of several.

    Several processes must leave the loop at the same step. They exchange a message, so
    they do it only at logged steps, where the host waits for the devices anyway.
    """
    if jax.process_count() == 1:
        return condition
    if step % training.log_every:
        return False
    return bool(multihost_utils.process_allgather(np.array(condition)).any())


def local_copy(params: Any) -> Any:
    """Returns this process's own copy of replicated arrays."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), params)
