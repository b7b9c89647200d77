"""Programs that are traced once, and found by the next start of a command.

JAX keeps compiled programs on the disk, but it finds one by tracing and lowering its
function again. For the frames of a lamp, that is half a second of Python. `kept_jit`
keeps the lowered programs too.
"""

import contextlib
import functools
import hashlib
import pathlib
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

import jax
from jax import export

from duralava import files

_kept: dict[str, pathlib.Path] = {}  # the folder, once there is one


def keep_programs(folder: pathlib.Path) -> None:
    """Makes functions of `kept_jit` keep their programs in a folder from now on."""
    _kept["folder"] = folder


def kept_jit(
    function: Callable[..., Any], *, static_argnames: Sequence[str] = ()
) -> Callable[..., Any]:
    """Returns `jax.jit(function)`, which keeps its lowered programs on the disk.

    A program is used again for arguments of the same structure, shapes and types, by
    the same code of this package, versions and settings of JAX. Programs are kept for a
    CPU as the only device; not all operations of others can be exported. Elsewhere,
    while another function is traced, and until `keep_programs` is called, this is
    `jax.jit`.

    Args:
      function: of arrays and pytrees by position, and of static values by name.
      static_argnames: names of the static values; their `repr` identifies them.
    """
    jitted = jax.jit(function, static_argnames=static_argnames)

    @functools.lru_cache(maxsize=8)  # more would not be freed by `jax.clear_caches`
    def program(tree: Any, avals: Any, static: Any) -> Callable[..., Any]:
        def of_leaves(*leaves: jax.Array) -> Any:
            return jitted(*jax.tree.unflatten(tree, leaves), **dict(static))

        name = f"{function.__module__}.{function.__name__}"
        key = repr((name, tree, avals, static, _surroundings()))
        path = _kept["folder"] / hashlib.sha256(key.encode()).hexdigest()
        if (content := _read(path)) is None:
            content = export.export(jax.jit(of_leaves))(*avals).serialize()
            _write(path, content)
        # Compiled here: `jax.jit` would compile anew for each placement of arguments.
        return jax.jit(export.deserialize(content).call).lower(*avals).compile()

    @functools.wraps(function)
    def call(*arguments: Any, **static: Any) -> Any:
        leaves, tree = jax.tree.flatten(arguments)
        traced = any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
        on_cpu = [device.platform for device in jax.devices()] == ["cpu"]
        if traced or not _kept or not on_cpu:
            return jitted(*arguments, **static)
        avals = tuple(map(jax.typeof, leaves))
        return program(tree, avals, tuple(sorted(static.items())))(*leaves)

    return call


@functools.cache
def _surroundings() -> tuple[Any, ...]:
    """Returns all that a lowered program depends on besides function and arguments."""
    package = pathlib.Path(__file__).parent
    code = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        code.update(path.read_bytes())
    versions = [metadata.version(name) for name in ("jax", "jaxlib", "flax")]
    return code.hexdigest(), versions, sorted(jax.config.values.items())


def _read(path: pathlib.Path) -> bytearray | None:
    """Returns what `_write` has written; None if it is damaged or not there."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    checksum, content = content[:32], content[32:]
    intact = hashlib.sha256(content).digest() == checksum
    return bytearray(content) if intact else None


def _write(path: pathlib.Path, content: bytes) -> None:
    # A home that cannot be written to only makes the next start slower.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.written_whole(path) as partial:
            partial.write_bytes(hashlib.sha256(content).digest() + content)
