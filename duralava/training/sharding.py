"""Data parallelism: a run over all devices of all processes."""

from collections.abc import Callable
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

    Parameters are replicated; clips, windows and the latents that are carried are
    sharded.

    Raises:
      ValueError: batch or lamps cannot be shared equally between the devices.
    """
    devices = jax.device_count()
    num_windows = config.data.windows
    for count, what in (
        (config.data.batch_size, "a batch of {} clips"),
        (num_windows, "a batch of {} windows"),
        (config.loss.normality_lamps, "{} lamps"),
        (config.loss.num_carried(num_windows), "{} carried lamps"),
    ):
        if count % devices:
            raise ValueError(
                f"{what.format(count)} cannot be shared equally between {devices} "
                "devices"
            )
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,))
    replicated = NamedSharding(mesh, PartitionSpec())
    by_lamp = NamedSharding(mesh, PartitionSpec("data"))
    by_clip = NamedSharding(mesh, PartitionSpec(None, "data"))

    def place(leaf: jax.Array, sharding: NamedSharding) -> jax.Array:
        # Every process holds the whole array, and gives its devices their parts.
        whole = np.asarray(leaf)
        return jax.make_array_from_callback(whole.shape, sharding, whole.__getitem__)

    def place_state(state: TrainState) -> TrainState:
        pool, rest = state.latent_pool, state._replace(latent_pool=None)
        placed = jax.tree.map(lambda leaf: place(leaf, replicated), rest)
        return placed._replace(latent_pool=place(pool, by_lamp))

    by_window = by_lamp if num_windows else replicated
    shardings = Batch(by_clip, by_clip, by_clip, by_window, by_window)

    def place_batch(batch: Batch) -> Batch:
        return jax.tree.map(
            jax.make_array_from_process_local_data, shardings, Batch(*batch)
        )

    return Placement(place_state, place_batch)


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
