"""Feeds damaged files of each kind to duralava, and counts what goes wrong.

    python tests/torture/inputs.py --count=2000 --kinds=gif,npy

Each file is read in another process. It must be read, or refused with an error of one
line that names it, within 10 seconds and 1 GB. `tests/torture/inputs_test.py` is the
quick form.
"""

import argparse
import collections
import contextlib
import dataclasses
import functools
import io
import json
import multiprocessing
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
      read: reads what lies in a folder, of which a file is damaged.
      mutate: damages the content of a file.
    """

    make: Callable[[pathlib.Path], list[pathlib.Path]]
    read: Callable[[pathlib.Path], object]
    mutate: Callable[[bytes, random.Random], bytes] = mutate


def _frames(size=(32, 48), count=12):
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
    writers.write_frames(path, iter(_frames()), fps=10)
    return [path]


def _read_film(folder):
    from duralava.datasets import video

    (path,) = folder.iterdir()
    for _ in video.read_frames(path, resolution=16):
        pass


def _pictures(folder):
    from PIL import Image

    from duralava.datasets import images  # noqa: F401, which adds HEIC to Pillow

    picture = Image.fromarray(_frames()[0])
    paths = []
    for suffix in ("png", "jpg", "tif", "bmp", "ppm", "gif", "webp", "avif", "heic"):
        paths.append(folder / f"picture.{suffix}")
        picture.save(paths[-1])
    picture.convert("LA").save(folder / "grey.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(folder / "turned.jpg", exif=exif)
    return [*paths, folder / "grey.png", folder / "turned.jpg"]


def _weights(folder):
    import tiny

    from duralava import weights

    weights.save(folder / "lamp.safetensors", tiny.lamp())
    return [folder / "lamp.safetensors"]


def _read_weights(folder):
    from duralava import weights

    weights.load(folder / "lamp.safetensors")


def config_values():
    """Returns the values of a config as dictionaries."""
    import tiny

    from duralava.config import to_dict

    return to_dict(tiny.CONFIG)


def _read_lamp(folder):
    from duralava import weights

    weights.load(folder)


def _workdir(pattern, folder):
    import jax
    import tiny

    from duralava import checkpoints
    from duralava.training.state import init_train_state

    jax.config.update("jax_disable_most_optimizations", True)
    checkpoints.open_workdir(folder, tiny.CONFIG)
    init = jax.jit(init_train_state, static_argnames="config")
    state = init(jax.random.key(3), config=tiny.CONFIG)
    writer = checkpoints.Checkpoints(folder, keep=1)
    writer.save(state, {"next_index": 7}, score=1.0)
    writer.close()
    return [path for path in sorted(folder.rglob(pattern)) if path.is_file()]


def _data_set(pattern, folder):
    from duralava.datasets.lava_lamp import LavaLamp

    (film,) = _film(".png", folder)
    with contextlib.redirect_stdout(io.StringIO()):
        LavaLamp(config="64x64", data_dir=folder, source=film).download_and_prepare()
    film.unlink()
    return sorted(folder.rglob(pattern))


def _read_data_set(folder):
    import numpy as np

    from duralava.datasets import clips

    for split in ("train", "test"):
        np.asarray(clips.load_film("lava_lamp/64x64", folder, split).frames)


KINDS = {
    "film": Kind(functools.partial(_film, ".mp4"), _read_film),
    "webm": Kind(functools.partial(_film, ".webm"), _read_film),
    "gif": Kind(functools.partial(_film, ".gif"), _read_film),
    "apng": Kind(functools.partial(_film, ".png"), _read_film),
    "webp": Kind(functools.partial(_film, ".webp"), _read_film),
    "images": Kind(_pictures, _read_film),
    "safetensors": Kind(_weights, _read_weights),
    "config.json": Kind(
        functools.partial(_workdir, "config.json"), _read_lamp, mutate_json
    ),
    "checkpoint": Kind(functools.partial(_workdir, "checkpoints/**/*"), _read_lamp),
    "npy": Kind(functools.partial(_data_set, "*.[nc][pr][yc]*"), _read_data_set),
    "data set": Kind(
        functools.partial(_data_set, "*.json"), _read_data_set, mutate_json
    ),
}


ALONE = {"images"}  # kinds of which each input is one file


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
        """Writes an input of which a file is damaged, and returns folder and file."""
        rng = random.Random(f"{self._name} {number}")
        file = rng.choice(self._files)
        return self.written(file, self._kind.mutate(file.read_bytes(), rng))

    def written(self, file, content):
        """Writes an input with another content of one of its files."""
        shutil.rmtree(self._work)
        if self._name in ALONE:
            self._work.mkdir()
        else:
            shutil.copytree(self._whole, self._work)
        path = self._work / file.relative_to(self._whole)
        path.write_bytes(content)
        return path

    @property
    def files(self):
        """The whole files that are damaged."""
        return self._files

    def read(self):
        """Reads what was written; returns what it said, or a traceback."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self._kind.read(self._work)
            except (ValueError, OSError) as error:
                text = " ".join(str(error).split())
                known = str(self._work) in text or "lava_lamp/64x64" in text
                return "refused" if known else f"names no file: {text[:200]}"
            except Exception:
                return traceback.format_exc()
        return "read"


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
            while left:
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
                elif outcome in ("read", "refused"):
                    counts[outcome] += 1
                else:
                    faults[number] = outcome
    return counts, faults


def main():
    """Attacks with all kinds, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--kinds", default=",".join(KINDS))
    arguments = parser.parse_args()
    failed = 0
    for name in arguments.kinds.split(","):
        counts, faults = attack(name, range(arguments.count))
        read, refused = counts["read"], counts["refused"]
        print(f"{name:12} {read:6} read {refused:6} refused {len(faults):4} faults")
        for number, fault in faults.items():
            print(f"  {number}: {fault}", flush=True)
        failed += len(faults)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
