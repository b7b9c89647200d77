"""The exported page without a network: the files that a browser keeps."""

import hashlib
import json
import pathlib

_WORKER = "service_worker.js"
_COMPRESSED = (".bin", ".wasm")  # the page loads the copies of these


def kept_files(site: pathlib.Path) -> list[str]:
    """Returns the names of the files that the page loads, relative to its folder."""
    names = {
        path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()
    }
    copies = {name for name in names if name.endswith(".gz")}
    unused = {
        name if f"{name}.gz" in copies and name.endswith(_COMPRESSED) else f"{name}.gz"
        for name in names - copies
    }
    return sorted(names - unused - {_WORKER})


def write_service_worker(site: pathlib.Path) -> pathlib.Path:
    """Completes the service worker of a page whose other files are all written.

    Its text changes whenever one of the files does, so that browsers load them anew.
    """
    names = kept_files(site)
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + b"\0" + (site / name).read_bytes())
    worker = site / _WORKER
    worker.write_text(
        f"const VERSION = {json.dumps(digest.hexdigest()[:16])};\n"
        f"const FILES = {json.dumps(['./', *names], indent=2)};\n"
        f"{worker.read_text()}"
    )
    return worker
