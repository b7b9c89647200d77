"""Feeds damaged files of each kind to duralava, and counts what goes wrong.

Each file is read in another process. It must be read, or refused with an error of one
line that names it, within 10 seconds and 1 GB, and nothing else may be printed.
`inputs_test.py` is the quick form; `python -m tests.torture` runs the long one.
"""

import collections
import contextlib
import dataclasses
import functools
import gc
import io
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable

sys.path.append(str(pathlib.Path(__file__).parents[1]))  # of what tests share

SECONDS = 10
BYTES = 1_000_000_000
# Orbax keeps half a megabyte of each checkpoint that it has read.
_READ_BY_A_PROCESS = 200
_JSON_VALUES = (
    *("null", "true", "[]", "{}", '""', '"wax"', "-1", "0", "1e999", "NaN", "2.5"),
    *("9" * 400, "[" * 50_000, '{"a":' * 500 + "1" + "}" * 500, '"\\ud800"'),
)


def mutate(content, rng):
    """Returns bytes after some random changes."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        length = len(content)
        # Headers, where few bytes mean much, are changed as often as all the rest.
        end = min(length, 64) if rng.random() < 0.5 else length
        start = rng.randrange(end) if end else 0
        size = rng.choice((1, 1, 2, 4, 16, 200))
        match rng.randrange(6):
            case 0:
                content[start : start + size] = rng.randbytes(size)
            case 1:
                content[start : start + 1] = rng.choice((b"\0", b"\xff", b"\x7f"))
            case 2:
                content[start : start + 4] = rng.choice((b"\xff" * 4, b"\0" * 4))
            case 3:
                del content[start : start + size]
            case 4:
                content[start:start] = content[start : start + size]
            case 5:
                if rng.random() < 0.3:
                    del content[rng.randrange(length + 1) :]
    return bytes(content)


def mutate_json(content, rng):
    """Returns JSON with another value in some places, or damaged as other bytes."""
    if rng.random() < 0.3:
        return mutate(content, rng)
    places = []

    def visit(value):
        if isinstance(value, dict | list):
            for key in value if isinstance(value, dict) else range(len(value)):
                places.append((value, key))
                visit(value[key])

    root = [json.loads(content)]
    visit(root)
    text = None
    for _ in range(rng.choice((1, 1, 2))):
        parent, key = rng.choice(places)
        if isinstance(parent, dict) and rng.random() < 0.2:
            parent.pop(key, None)
        else:
            with contextlib.suppress(IndexError):
                parent[key] = "<HERE>"
            text = json.dumps(root[0]).replace('"<HERE>"', rng.choice(_JSON_VALUES))
    return (text or json.dumps(root[0])).encode()


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes:
      make: writes whole inputs in a folder, and returns the files to damage.
      read: reads what lies in a folder, of which a file is damaged; returns how, if
        there are several ways.
      mutate: damages the content of a file.
      alone: whether each input is one file.
    """

    make: Callable[[pathlib.Path], list[pathlib.Path]]
    read: Callable[[pathlib.Path], object]
    mutate: Callable[[bytes, random.Random], bytes] = mutate
    alone: bool = False


def frames(size=(32, 48), count=12):
    import numpy as np

    rng = np.random.default_rng(0)
    noise = rng.integers(0, 60, (count, *size, 3))
    return [
        np.uint8(noise[i] + np.roll(np.eye(*size), i, 1)[..., None] * 180)
        for i in range(count)
    ]


def _film(suffix, folder):
    from duralava.rendering import writers

    path = folder / f"film{suffix}"
    writers.write_frames(path, iter(frames()), fps=10)
    return [path]


def _read_film(folder):
    from duralava.datasets import video

    (path,) = folder.iterdir()
    for _ in video.read_frames(path, resolution=16):
        pass


def _pictures(folder):
    from PIL import Image

    from duralava.datasets import images  # noqa: F401, which adds HEIC to Pillow

    picture = Image.fromarray(frames()[0])
    paths = []
    for suffix in ("png", "jpg", "tif", "bmp", "ppm", "gif", "webp", "avif", "heic"):
        paths.append(folder / f"picture.{suffix}")
        picture.save(paths[-1])
    picture.convert("LA").save(folder / "grey.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(folder / "turned.jpg", exif=exif)
    return [*paths, folder / "grey.png", folder / "turned.jpg"]


@functools.cache
def _lamp():
    """Returns the lamp that is saved, with weights as they are read."""
    import jax
    import numpy as np
    import tiny

    lamp = tiny.lamp()
    params = jax.tree.map(lambda leaf: np.float32(np.float16(leaf)), lamp.params)
    return dataclasses.replace(lamp, params=params)


def _weights(folder):
    from duralava import weights

    weights.save(folder / "lamp.safetensors", _lamp())
    return [folder / "lamp.safetensors"]


def _read_weights(folder):
    from duralava import weights

    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", UserWarning)
        lamp = weights.load(folder / "lamp.safetensors")
    if notes:
        (note,) = notes
        assert "has no checksum" in str(note.message), note
        return "noted"
    assert same(lamp.params, _lamp().params)
    assert lamp.config == _lamp().config
    return "read"


def same(found, expected):
    """Returns whether two trees of arrays are equal, bit for bit."""
    import jax
    import numpy as np

    if jax.tree.structure(found) != jax.tree.structure(expected):
        return False
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, found, expected)))


def config_values():
    """Returns the values of a config as dictionaries."""
    import tiny

    from duralava.config import to_dict

    return to_dict(tiny.CONFIG)


def _read_lamp(folder):
    from duralava import weights

    weights.load(folder)


STEPS = 3, 7
"""Of the checkpoints of a workdir; the newest is damaged."""


@functools.cache
def _states():
    """Returns the states of a training run at `STEPS`."""
    import jax
    import tiny

    from duralava.training.state import init_train_state

    jax.config.update("jax_disable_most_optimizations", True)
    init = jax.jit(init_train_state, static_argnames="config")
    return {
        step: init(jax.random.key(step), config=tiny.CONFIG)._replace(
            step=jax.numpy.int32(step)
        )
        for step in STEPS
    }


def _workdir(pattern, folder):
    import tiny

    from duralava import checkpoints

    checkpoints.open_workdir(folder, tiny.CONFIG)
    writer = checkpoints.Checkpoints(folder, keep=len(STEPS))
    for state in _states().values():
        writer.save(state, {"next_index": 7}, score=None)
    writer.close()
    return [path for path in sorted(folder.rglob(pattern)) if path.is_file()]


def read_checkpoints(folder):
    """Reads the newest whole checkpoint, as `render` does and as `train` does.

    Returns:
      How: the newest one, or with a warning the one before.
    """
    import tiny

    from duralava import checkpoints

    is_there = (folder / checkpoints.FOLDER / str(STEPS[-1])).exists()
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", UserWarning)
        rendered = checkpoints.load_lamp(folder).params
        reader = checkpoints.Checkpoints(folder, keep=len(STEPS))
        try:
            like = _states()[STEPS[-1]]
            trained, data = reader.restore(like, config=tiny.CONFIG)
        finally:
            reader.close()
    step = int(trained.step)
    assert step in STEPS, step
    assert same(trained, _states()[step]), f"not what was saved at step {step}"
    assert same(rendered, trained.ema), "render and train disagree"
    assert data == {"next_index": 7}, data
    newest = step == STEPS[-1]
    lines = [str(note.message) for note in notes]
    assert len(lines) == (2 if is_there and not newest else 0), lines
    assert all(line.startswith("checkpoint 7 of") for line in lines), lines
    assert all("\n" not in line for line in lines), lines
    return "read" if newest else "noted"


def _data_set(pattern, folder):
    from duralava.datasets.lava_lamp import LavaLamp

    (film,) = _film(".png", folder)
    with contextlib.redirect_stdout(io.StringIO()):
        LavaLamp(config="64x64", data_dir=folder, source=film).download_and_prepare()
    film.unlink()
    _saved["film"] = _film_of(folder)
    return sorted(folder.rglob(pattern))


_saved = {}


def _film_of(folder):
    import numpy as np

    from duralava.datasets import clips

    return [
        np.asarray(clips.load_film("lava_lamp/64x64", folder, split).frames)
        for split in ("train", "test")
    ]


def _read_data_set(folder):
    assert same(_film_of(folder), _saved["film"]), "not the film that was saved"


KINDS = {
    "film": Kind(functools.partial(_film, ".mp4"), _read_film),
    "webm": Kind(functools.partial(_film, ".webm"), _read_film),
    "gif": Kind(functools.partial(_film, ".gif"), _read_film),
    "apng": Kind(functools.partial(_film, ".png"), _read_film),
    "webp": Kind(functools.partial(_film, ".webp"), _read_film),
    "images": Kind(_pictures, _read_film, alone=True),
    "safetensors": Kind(_weights, _read_weights),
    "config.json": Kind(
        functools.partial(_workdir, "config.json"), _read_lamp, mutate_json
    ),
    "checkpoint": Kind(
        functools.partial(_workdir, f"checkpoints/{STEPS[-1]}/**/*"), read_checkpoints
    ),
    "npy": Kind(functools.partial(_data_set, "*.[nc][pr][yc]*"), _read_data_set),
    "data set": Kind(
        functools.partial(_data_set, "*.json"), _read_data_set, mutate_json
    ),
}


OUTCOMES = "read", "noted", "refused"
"""Of damaged inputs: read as if whole, read with a warning, or refused in one line."""


class Inputs:
    """The whole inputs of a kind, and damaged ones by number."""

    def __init__(self, name, folder):
        self._kind, self._name = KINDS[name], name
        self._whole, self._work = folder / "whole", folder / "work"
        self._whole.mkdir()
        self._work.mkdir()
        self._files = self._kind.make(self._whole)
        assert self._files

    def damaged(self, number):
        """Writes an input of which a file is damaged, or a file or folder is gone."""
        rng = random.Random(f"{self._name} {number}")
        file = rng.choice(self._files)
        if len(self._files) > 1 and not self._kind.alone and rng.random() < 0.1:
            gone = rng.choice([file, *file.relative_to(self._whole).parents[:-1]])
            self.removed(self._whole / gone)
        else:
            self.written(file, self._kind.mutate(file.read_bytes(), rng))

    def removed(self, path):
        """Writes an input without one of its files or folders."""
        path = self._copy() / path.relative_to(self._whole)
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def written(self, file, content):
        """Writes an input with another content of one of its files."""
        path = self._copy() / file.relative_to(self._whole)
        path.write_bytes(content)

    def _copy(self):
        shutil.rmtree(self._work)
        if self._kind.alone:
            self._work.mkdir()
        else:
            shutil.copytree(self._whole, self._work)
        return self._work

    @property
    def files(self):
        """The whole files that are damaged."""
        return self._files

    def read(self):
        """Reads what was written; returns one of `OUTCOMES`, or what went wrong."""
        with standard_error() as printed, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome = self._read()
            gc.collect()  # what asyncio has to say, it says when a task is freed
        return f"prints: {printed[0]}" if printed[0] else outcome

    def _read(self):
        try:
            return self._kind.read(self._work) or "read"
        except (ValueError, OSError) as error:
            text = " ".join(str(error).split())
            known = str(self._work) in text or "lava_lamp/64x64" in text
            return "refused" if known else f"names no file: {text[:200]}"
        except Exception:
            return traceback.format_exc()


@contextlib.contextmanager
def standard_error():
    """Yields a list that gets what the block writes, native libraries included."""
    printed = []
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield printed
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
            file.seek(0)
            printed.append(file.read().decode(errors="replace"))


def peak_memory(reset=False):
    """Returns the most memory since it was reset, in bytes (0 if not on Linux)."""
    status = pathlib.Path("/proc/self/status")
    if reset:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    if not status.exists():
        return 0
    (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def _work(connection, name):
    with tempfile.TemporaryDirectory() as folder:
        inputs = Inputs(name, pathlib.Path(folder))
        connection.send(("ready", 0))
        while (number := connection.recv()) is not None:
            inputs.damaged(number)
            before = peak_memory(reset=True)
            outcome = inputs.read()
            connection.send((outcome, peak_memory() - before))


@contextlib.contextmanager
def _worker(name):
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, name), daemon=True)
    process.start()
    theirs.close()
    try:
        assert ours.recv()[0] == "ready"
        yield ours
    finally:
        process.kill()
        process.join()


def attack(name, numbers):
    """Reads damaged inputs of a kind.

    Returns:
      How many were read and refused, and the faults by number.
    """
    counts, faults = collections.Counter(), {}
    left = collections.deque(numbers)
    while left:
        with _worker(name) as worker:
            for _ in range(min(_READ_BY_A_PROCESS, len(left))):
                number = left.popleft()
                worker.send(number)
                try:
                    if not worker.poll(SECONDS):
                        faults[number] = f"hangs for {SECONDS} seconds"
                        break
                    outcome, size = worker.recv()
                except (EOFError, ConnectionError):
                    faults[number] = "the process crashed"
                    break
                if size > BYTES:
                    faults[number] = f"takes {size / 1e9:.1f} GB"
                elif outcome in OUTCOMES:
                    counts[outcome] += 1
                else:
                    faults[number] = outcome
    return counts, faults
