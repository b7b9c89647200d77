import ctypes
import dataclasses
import functools
import gc
import os
import pathlib
import shutil
import subprocess
import sys

import av
import jax
import numpy as np
import pytest
import tiny
from no_network import sitecustomize
from playwright.sync_api import sync_playwright

from duralava import command_line
from duralava.datasets.lava_lamp.lava_lamp import LavaLamp, LavaLampConfig
from duralava.training import loop

# Before the workers start: more arenas would keep more memory that is freed.
os.environ.setdefault("MALLOC_ARENA_MAX", "2")


os.environ["PYTHONPATH"] = os.pathsep.join(
    [
        str(pathlib.Path(sitecustomize.__file__).parent),
        *filter(None, [os.environ.get("PYTHONPATH")]),
    ]
)


def set_quick_emitter():
    """As `duralava.compilation` sets it for CPUs: half the time to compile.

    XLA ends a program with a flag that it does not know, so another program tries it.
    """
    before = os.environ.get("XLA_FLAGS", "")
    flags = {"XLA_FLAGS": f"{before} --xla_cpu_use_fusion_emitters=false"}
    program = [sys.executable, "-c", "import jax; jax.devices()"]
    if not subprocess.run(
        program, env=os.environ | flags | {"JAX_PLATFORMS": "cpu"}, capture_output=True
    ).returncode:
        os.environ |= flags


if "PYTEST_XDIST_WORKER" not in os.environ:  # a worker has the variables of its caller
    set_quick_emitter()


def pytest_xdist_auto_num_workers():
    """One more than processors, because some tests wait for pages and processes."""
    return os.cpu_count() + 1


# Files of tests that take minutes, in the order in which they start.
LONGEST = (
    "learn_test.py",
    "api_test.py",
    "evaluate_test.py",
    "train_test.py",
    "benchmark_test.py",
    "render_test.py",
    "loop_test.py",
    "critics_test.py",
    "step_test.py",
)


def pytest_collection_modifyitems(items):
    """Starts with the longest files, so that no worker waits for another at the end."""
    rank = {name: index for index, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="session", autouse=True)
def compiled_programs(tmp_path_factory):
    """Keeps compiled programs on the disk: for all tests and the commands they run."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # one folder for all workers
        folder = folder.parent
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    command_line.keep_compiled_programs()


@pytest.fixture(scope="module", autouse=True)
def memory_of_one_file():
    """Frees the programs that a file of tests has compiled: they take gigabytes."""
    yield
    jax.clear_caches()
    gc.collect()
    if sys.platform == "linux":  # glibc keeps what is freed unless it is asked
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(scope="module")
def quick_compilation():
    """For programs that run for milliseconds but compile for seconds."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="session")
def tiny_data_dir(tmp_path_factory):
    """A data set made from a real video: a bright square on a circle."""
    folder = tmp_path_factory.mktemp("data")
    path = folder / "film.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for index in range(200):
            frame = np.zeros((64, 64, 3), np.uint8)
            row = round(24 + 20 * np.sin(index / 10))
            column = round(24 + 20 * np.cos(index / 10))
            frame[row : row + 16, column : column + 16] = (250, 120, 20)
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    config = LavaLampConfig(name=f"{tiny.SIZE}x{tiny.SIZE}", resolution=tiny.SIZE)
    LavaLamp(
        config=config, data_dir=folder, file_format="array_record", source=path
    ).download_and_prepare()
    return folder


@pytest.fixture
def own_data_dir(tiny_data_dir, tmp_path):
    """A copy of the tiny data set that a test may damage: as it was prepared."""
    # Smaller frames appear beside the frames once some test has trained on them.
    smaller = shutil.ignore_patterns("*_frame_*")
    return shutil.copytree(tiny_data_dir, tmp_path / "data", ignore=smaller)


@pytest.fixture
def train_tiny(tiny_data_dir):
    """Trains on the tiny film."""
    return functools.partial(loop.train, data_dir=tiny_data_dir)


@pytest.fixture
def with_training():
    """Returns a config with another schedule."""

    def replace(config, **changes):
        training = dataclasses.replace(config.training, **changes)
        return dataclasses.replace(config, training=training)

    return replace


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium; without it, the tests of pages are skipped."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Debian's chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def run_tool(tmp_path):
    """Runs a tool as a user would, in an empty folder; `closed` closes its streams."""
    tools = pathlib.Path(__file__).parents[1] / "tools"

    def run(name, *flags, closed=""):
        shell = ["sh", "-c", f'exec "$0" "$@" {closed}']
        return subprocess.run(
            [*shell, sys.executable, tools / name, *flags],
            cwd=tmp_path,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
        )

    return run
