"""Fetches ONNX Runtime Web from its npm package."""

import pathlib
import shutil
import subprocess
import tarfile
import tempfile

PACKAGE = "onnxruntime-web@1.30.0"
# The files for CPUs, by their names in the package and in the site. The script is
# renamed because not all file servers know the content type of .mjs files.
_FILES = {
    "ort.wasm.bundle.min.mjs": "ort.wasm.bundle.min.js",
    "ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
}


def fetch(folder: pathlib.Path) -> None:
    """Copies the files that a page needs to run ONNX models to an existing folder.

    Raises:
      OSError: npm is missing or fails; the message says why.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError(
            f"the page needs {PACKAGE}, which is fetched with npm (part of Node.js): "
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
            raise OSError(f"npm cannot fetch {PACKAGE}: {_reason(done.stderr)}")
        with tarfile.open(archives[0]) as archive:
            for name, new_name in _FILES.items():
                with archive.extractfile(f"package/dist/{name}") as source:
                    (folder / new_name).write_bytes(source.read())


def _reason(errors: str) -> str:
    """Returns the first of npm's lines that is a sentence, not a name and a value."""
    lines = [line.removeprefix("npm error ") for line in errors.splitlines()]
    sentences = [line for line in lines if len(line.split()) > 2]
    return sentences[0] if sentences else "it gives no reason"
