"""How every tool starts: flags are parsed, what fails clearly ends in one line."""

import os
import pathlib
import platform
import sys
import textwrap
import types
from collections.abc import Callable, Sequence

from absl import app, flags, logging

_INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Parses the flags, calls `main(argv)` and exits.

    A `ValueError` or an `OSError`, which in this package mean bad input, and a
    `FloatingPointError`, which means that a simulation or a training is no longer
    finite, become the one line `error: ...` on stderr and exit code 1. Ctrl-C exits
    with code 130. Any other exception is a fault of the program and keeps its
    traceback.
    """

    def guarded(argv: Sequence[str]) -> None:
        try:
            if len(argv) > 1:
                raise ValueError(f"unexpected argument: {' '.join(argv[1:])}")
            # absl shows INFO lines unless told otherwise: they would bury the output.
            if not flags.FLAGS["verbosity"].present:
                logging.set_verbosity(logging.WARNING)
            keep_compiled_programs()
            main(argv)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(_INTERRUPTED)
        except (ValueError, OSError, FloatingPointError) as error:
            print(f"error: {_one_line(error)}", file=sys.stderr)
            sys.exit(1)

    if {"--help", "-help", "-h", "--helpshort"} & set(sys.argv[1:]):
        print(_help(sys.modules[main.__module__]))
        sys.exit()
    app.run(guarded, flags_parser=_parse_flags)


def use_huge_pages() -> None:
    """Starts the program anew if its memory is not in pages of 2 MB yet (Linux, glibc).

    The arrays of a training step are made and freed at each step; in pages of 4 KB the
    kernel then spends more time on making pages than XLA on filling them. glibc reads
    its settings before a program begins, so they cannot be changed later.
    """
    setting = "glibc.malloc.hugetlb=1"
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        environment = os.environ | {"GLIBC_TUNABLES": setting}
        os.execve(sys.executable, sys.orig_argv, environment)


def keep_compiled_programs() -> None:
    """Lets JAX keep what it compiles on the disk: the next start need not compile it.

    In `$XDG_CACHE_HOME/duralava`, or where the variable JAX_COMPILATION_CACHE_DIR says.
    A home may be shared by machines with other processors, so each has its own folder.
    """
    import jax  # not above, where `use_huge_pages` would load it twice

    if jax.config.jax_compilation_cache_dir is None:
        home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        folder = pathlib.Path(home) / "duralava" / platform.node()
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _parse_flags(argv: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        line = _one_line(error)
    except AttributeError as error:
        # What a ConfigDict raises of a key that it does not have.
        line = f"the config has no key {_one_line(error)}"
    print(f"error: {line}", file=sys.stderr)
    sys.exit(1)


def _help(module: types.ModuleType) -> str:
    """Returns what a module says of itself, and of its flags."""
    lines = [(module.__doc__ or "").strip(), ""]
    for flag in flags.FLAGS.get_key_flags_for_module(module):
        lines.append(f"  {_shown(flag)}")
        if flag.help:
            indent = 6 * " "
            lines += textwrap.wrap(
                flag.help, 80, initial_indent=indent, subsequent_indent=indent
            )
    return "\n".join([*lines, "", "--helpfull adds the flags of all libraries."])


def _shown(flag: flags.Flag) -> str:
    """Returns a flag as one writes it, with what it is if one does not."""
    if flag.boolean:
        return f"--[no]{flag.name} ({'on' if flag.default else 'off'})"
    default = "" if flag.default is None else flag.serialize().partition("=")[2]
    return f"--{flag.name}={default}"


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
