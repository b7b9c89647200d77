"""ONNX Runtime Web, from its npm package."""

import pathlib
import shutil
import subprocess
import tarfile
import tempfile

PACKAGE = "onnxruntime-web@1.30.0"
# The part that runs on a CPU. Not all file servers know what an .mjs is.
_FILES = {
    "ort.wasm.bundle.min.mjs": "ort.wasm.bundle.min.js",
    "ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
}


def fetch(folder: pathlib.Path) -> None:
    """Puts what a page needs to run ONNX models into a folder that exists.

    Raises:
      OSError: npm is missing or fails; the message says why.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError(
            f"a page needs {PACKAGE}, and npm to fetch it, which comes with Node.js: "
            "no npm was found"
        )
    with tempfile.TemporaryDirectory() as temporary:
        done = subprocess.run(
            [npm, "pack", PACKAGE, "--prefer-offline", "--loglevel=error"],
            cwd=temporary,
            capture_output=True,
            text=True,
        )
        archives = list(pathlib.Path(temporary).glob("*.tgz"))
        if done.returncode or not archives:
            raise OSError(f"npm cannot fetch {PACKAGE}: {_complaint(done.stderr)}")
        with tarfile.open(archives[0]) as archive:
            for name, known_as in _FILES.items():
                with archive.extractfile(f"package/dist/{name}") as source:
                    (folder / known_as).write_bytes(source.read())


def _complaint(errors: str) -> str:
    """Returns the first line of npm's that is a sentence, not a name and a value."""
    lines = [line.removeprefix("npm error ") for line in errors.splitlines()]
    told = [line for line in lines if len(line.split()) > 2]
    return told[0] if told else "it does not say why"
