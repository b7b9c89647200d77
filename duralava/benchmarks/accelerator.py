"""Times training and sampling on the first device of this machine.

All contenders run in one process, one after the other, because a process takes an
accelerator for itself. Each is compiled, runs once, and is then timed.
"""

import dataclasses
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from duralava import compilation, configs, pretrained, tables, weights
from duralava.benchmarks import flops, report
from duralava.benchmarks.measure import Result
from duralava.config import Config
from duralava.datasets.clips import Batch, batch_of
from duralava.lamp import CHUNK_SIZE, Lamp
from duralava.tables import Column
from duralava.training import step
from duralava.training.state import TrainState

PHASES = ("without critics", "with critics")
"""The phases of the config `simulated`."""

PRODUCT = "matrix product"


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much the contenders compute.

    Attributes:
      product: height and width of the matrices whose product measures the peak.
      num_steps: products, or training steps, in a run.
      clips: number of clips in a training step, by the resolution in pixels. There are
        four windows for each clip, as in the config.
      frames: number of sampled frames in a run, by their height and width in pixels.
      lamps: numbers of lamps that are sampled together.
      dtypes: in which convolutions, and the matrix product, compute. Several steps per
        dispatch are measured with the last one.
      repeats: number of timed runs.
      model: fields of `ModelConfig` that differ from those of the config.
    """

    product: int
    num_steps: int
    clips: Mapping[int, int]
    frames: Mapping[int, int]
    lamps: tuple[int, ...]
    dtypes: tuple[str, ...]
    repeats: int
    model: Mapping[str, Any]


FULL = Sizes(
    product=8192,
    num_steps=8,
    clips={64: 64, 256: 16},
    frames={64: 6_000, 256: 2_000},
    lamps=(1, 16),
    dtypes=("float32", "bfloat16"),
    repeats=5,
    model={},
)
TINY = Sizes(
    product=256,
    num_steps=2,
    clips={16: 8},
    frames={16: 120},
    lamps=(2,),
    dtypes=("bfloat16",),
    repeats=2,
    model={
        "generator_channels": (8,),
        "feature_size": 8,
        "feature_channels": 4,
        "encoder_channels": (8,),
        "still_channels": (8,),
        "still_blocks": (0,),
        "motion_size": 8,
        "motion_channels": (8,),
        "motion_blocks": (0,),
        "transition_layers": 1,
    },
)
"""For tests, and to try the tool on a CPU."""


class Program(NamedTuple):
    """A compiled program.

    Attributes:
      run: runs it as often as a run needs, and waits for its end.
      units: number of products or frames that a run computes.
      flops: floating-point operations of a run.
      num_bytes: memory of the device that XLA plans for the program.
    """

    run: Callable[[], Any]
    units: int
    flops: float
    num_bytes: int


class Contender(NamedTuple):
    """A program that is to be measured.

    Attributes:
      suite: `peak`, `sample` or `train`.
      name: its name in the suite, the same for both types.
      dtype: in which convolutions, or the matrix product, compute.
      unit: name of the unit of `Program.units`.
      build: compiles the program.
    """

    suite: str
    name: str
    dtype: str
    unit: str
    build: Callable[[], Program]


@dataclasses.dataclass(frozen=True)
class Measurement(Result):
    """The measurements of one contender, of which `peak_bytes` is `Program.num_bytes`.

    Attributes:
      dtype: in which convolutions, or the matrix product, compute.
      compile_seconds: duration of tracing, lowering and compilation.
    """

    dtype: str = "float32"
    compile_seconds: float = 0.0


class LeftOut(NamedTuple):
    """A contender that was not measured.

    Attributes:
      name: its suite, name and type.
      reason: why, in a few words.
    """

    name: str
    reason: str


def contenders(sizes: Sizes) -> Iterator[Contender]:
    """Yields all contenders: the peak first, what takes longest last."""
    for dtype in sizes.dtypes:
        build = functools.partial(matrix_product, sizes.product, sizes.num_steps, dtype)
        yield Contender("peak", PRODUCT, dtype, "product", build)
    for size in sizes.frames:
        for count, dtype in itertools.product(sizes.lamps, sizes.dtypes):
            build = functools.partial(sampling, size, count, dtype, sizes)
            name = f"{size} px, lamps at once: {count}"
            yield Contender("sample", name, dtype, "frame", build)
    for size in sizes.clips:
        for phase, dtype in itertools.product(PHASES, sizes.dtypes):
            for together in _steps_per_dispatch(size, phase, dtype, sizes):
                build = functools.partial(
                    training, phase, size, dtype, sizes, together=together
                )
                name = f"{size} px, {phase}, steps per dispatch: {together}"
                yield Contender("train", name, dtype, "frame", build)


def _steps_per_dispatch(
    size: int, phase: str, dtype: str, sizes: Sizes
) -> tuple[int, ...]:
    """Returns the numbers of steps to compare: several where a step is shortest."""
    shortest = min(sizes.clips), PHASES[0], sizes.dtypes[-1]
    return (1, sizes.num_steps) if (size, phase, dtype) == shortest else (1,)


def training_config(phase: str, resolution: int, dtype: str, sizes: Sizes) -> Config:
    """Returns a phase of the config `simulated` at a resolution.

    Args:
      phase: one of `PHASES`.
      resolution: height and width of frames and windows in pixels.
      dtype: in which all convolutions compute.
      sizes: number of clips, and changes of the networks.
    """
    config = configs.load("simulated").phases()[PHASES.index(phase)]
    clips = sizes.clips[resolution]
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, batch_size=clips, windows=4 * clips),
        model=dataclasses.replace(
            config.model,
            resolution=resolution,
            convolution_dtype=dtype,
            critic_dtype=dtype,
            **sizes.model,
        ),
        loss=dataclasses.replace(
            config.loss, motion_clips=min(config.loss.motion_clips, clips)
        ),
    )


def random_batch(config: Config) -> Batch:
    """Returns a batch of noise, of the shapes that a training step takes."""
    data, size = config.data, config.model.resolution
    rng = np.random.default_rng(0)

    def pictures(*shape: int) -> np.ndarray:
        return rng.integers(0, 256, (*shape, size, size, 3), np.uint8)

    return batch_of(pictures(data.clip_length, data.batch_size))._replace(
        windows=pictures(data.windows),
        places=np.tile(np.float32([0, 0, 1 / size]), (data.windows, 1)),
    )


def matrix_product(size: int, count: int, dtype: str) -> Program:
    """Products of two square matrices, the peak of the device's arithmetic."""
    matrix = jax.random.normal(jax.random.key(0), (size, size), dtype)
    compiled = jax.jit(jnp.matmul).lower(matrix, matrix).compile()

    def run() -> None:
        jax.block_until_ready([compiled(matrix, matrix) for _ in range(count)])

    operations = count * flops.count(jnp.matmul, matrix, matrix)
    return Program(run, count, operations, planned_bytes(compiled))


def sampling(size: int, count: int, dtype: str, sizes: Sizes) -> Program:
    """Frames of some lamps at once, one per model step, copied to the host.

    Args:
      size: height and width of the frames in pixels.
      count: number of lamps.
      dtype: in which convolutions compute.
      sizes: number of frames.
    """
    lamp = _with_dtype(weights.load(pretrained.DEFAULT), dtype)
    latents, key, start = lamp.start(0, count=count)
    num_chunks = max(1, sizes.frames[size] // (CHUNK_SIZE * count))

    def chunk(lamp: Lamp, latents: jax.Array, start: int) -> tuple[jax.Array, ...]:
        final, trajectory = lamp.rollout(latents, key, start, num_steps=CHUNK_SIZE)
        return final, lamp.generate(trajectory, size=size)

    compiled = compilation.jit(chunk).lower(lamp, latents, start).compile()

    def run() -> None:
        nonlocal latents, start
        for _ in range(num_chunks):
            latents, frames = compiled(lamp, latents, start)
            start += CHUNK_SIZE
            np.asarray(frames)

    operations = num_chunks * flops.count(chunk, lamp, latents, start)
    num_frames = num_chunks * CHUNK_SIZE * count
    return Program(run, num_frames, operations, planned_bytes(compiled))


def training(
    phase: str, resolution: int, dtype: str, sizes: Sizes, *, together: int
) -> Program:
    """Training steps on a batch that is on the device; units are frames of its clips.

    Args:
      phase: one of `PHASES`.
      resolution: height and width of frames and windows in pixels.
      dtype: in which all convolutions compute.
      sizes: number of steps and clips, and changes of the networks.
      together: number of steps of a dispatch, a divisor of `sizes.num_steps`.
    """
    config = training_config(phase, resolution, dtype, sizes)
    key, (init_state, _) = jax.random.key(0), step.compiled()
    state, batch = init_state(key, config=config), random_batch(config)
    steps = functools.partial(step.train_step, config=config)
    if together > 1:
        steps = functools.partial(chained, steps)
        batch = jax.tree.map(lambda leaf: np.stack([leaf] * together), batch)
    batch = jax.device_put(batch)
    program = compilation.jit(steps, donate_argnums=0)
    compiled = program.lower(state, batch, key).compile()
    dispatches = sizes.num_steps // together
    operations = dispatches * flops.count(steps, state, batch, key)

    def run() -> None:
        nonlocal state
        for _ in range(dispatches):
            state, metrics = compiled(state, batch, key)
        jax.block_until_ready(metrics)

    num_frames = sizes.num_steps * config.data.clip_length * config.data.batch_size
    return Program(run, num_frames, operations, planned_bytes(compiled))


def chained(
    train_step: Callable[..., tuple[TrainState, Any]],
    state: TrainState,
    batches: Batch,
    key: jax.Array,
) -> tuple[TrainState, Any]:
    """Makes K training steps as one program.

    Args:
      train_step: (state, batch, key) -> (state, metrics).
      state: before the first step.
      batches: K batches, their leaves of shape [K, ...].
      key: base key of the run.

    Returns:
      The state after the last step, and the metrics of all steps, of shape [K].
    """
    return jax.lax.scan(
        lambda state, batch: train_step(state, batch, key), state, batches
    )


def planned_bytes(compiled: jax.stages.Compiled) -> int:
    """Returns the memory that XLA plans for a program: all that it reads and writes."""
    plan = compiled.memory_analysis()
    whole = plan.argument_size_in_bytes + plan.output_size_in_bytes
    return whole + plan.temp_size_in_bytes - plan.alias_size_in_bytes


def measure(contender: Contender, *, repeats: int) -> Measurement:
    """Compiles a contender, runs it once, and times `repeats` runs."""
    start = time.perf_counter()
    program = contender.build()
    compile_seconds = time.perf_counter() - start
    program.run()
    return Measurement(
        suite=contender.suite,
        name=contender.name,
        seconds=tuple(_seconds(program.run) for _ in range(repeats)),
        units=program.units,
        unit=contender.unit,
        flops=program.flops,
        peak_bytes=program.num_bytes,
        dtype=contender.dtype,
        compile_seconds=compile_seconds,
    )


def measure_all(sizes: Sizes, *, seconds: float) -> Iterator[Measurement | LeftOut]:
    """Measures all contenders, one after the other.

    Args:
      sizes: how much they compute.
      seconds: no contender starts after so many seconds.
    """
    end = time.monotonic() + seconds
    for contender in contenders(sizes):
        name = f"{contender.suite}, {contender.name}, {contender.dtype}"
        if time.monotonic() >= end:
            yield LeftOut(name, "the time was over")
            continue
        try:
            yield measure(contender, repeats=sizes.repeats)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            yield LeftOut(name, "it does not fit into the memory of the device")


def profile(folder: str | os.PathLike[str], sizes: Sizes) -> None:
    """Writes a profile of training steps with critics to a folder."""
    size, dtype = min(sizes.clips), sizes.dtypes[-1]
    program = training(PHASES[-1], size, dtype, sizes, together=1)
    program.run()
    with jax.profiler.trace(folder):
        program.run()


def as_json(outcomes: Sequence[Measurement | LeftOut]) -> dict[str, Any]:
    """Returns outcomes, the machine and its first device as values for JSON."""
    device = jax.devices()[0]
    measured = [found for found in outcomes if isinstance(found, Measurement)]
    return {
        "machine": report.machine(),
        "device": {
            "name": device.device_kind,
            "platform": device.platform,
            # Of the whole process so far; some devices keep no such figures.
            "memory": device.memory_stats(),
        },
        "results": [
            dataclasses.asdict(found)
            | {
                "median": found.median,
                "rate": found.rate,
                "share_of_peak": share_of_peak(found, measured),
            }
            for found in measured
        ],
        "left_out": [
            found._asdict() for found in outcomes if isinstance(found, LeftOut)
        ],
    }


def share_of_peak(found: Measurement, measured: Sequence[Measurement]) -> float:
    """Returns operations per second as a share of those of a matrix product.

    Args:
      found: the measurement.
      measured: others, the matrix product of the same type among them.
    """
    peaks = {each.dtype: each.gigaflops for each in measured if each.suite == "peak"}
    return found.gigaflops / peaks[found.dtype]


def table(outcomes: Sequence[Measurement | LeftOut]) -> str:
    """Returns a table with one line for each measurement, and what was left out."""
    measured = [found for found in outcomes if isinstance(found, Measurement)]
    columns = (
        Column("suite", lambda found: found.suite),
        Column("what", lambda found: found.name),
        Column("type", lambda found: found.dtype),
        Column("compiled in", lambda found: found.compile_seconds, report.seconds),
        Column("median", lambda found: found.median, report.seconds),
        Column("rate", report.rate),
        Column("TFLOP/s", lambda found: found.gigaflops / 1e3, ".3g"),
        Column("of peak", lambda found: share_of_peak(found, measured), ".1%"),
        Column("memory", lambda found: found.peak_bytes, report.megabytes),
    )
    lines = [tables.plain(measured, columns)]
    for found in outcomes:
        if isinstance(found, LeftOut):
            lines.append(f"left out: {found.name}: {found.reason}")
    return "\n".join(lines)


def _seconds(run: Callable[[], Any]) -> float:
    """Returns the duration of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _with_dtype(lamp: Lamp, dtype: str) -> Lamp:
    """Returns a lamp whose convolutions compute in another type."""
    config = dataclasses.replace(lamp.config, convolution_dtype=dtype)
    return dataclasses.replace(lamp, config=config)
