"""The start of every command: it parses the flags, and prints errors in one line."""

import gc
import os
import pathlib
import platform
import re
import signal
import sys
import textwrap
import types
import warnings
from collections.abc import Callable, Sequence
from typing import NoReturn

from absl import app, flags, logging

_SIGNALED = 128  # what a shell adds to the signal that ended a program
_NO_BACKEND = "Unable to initialize backend"  # an error of JAX
_received: list[int] = []  # the first of SIGTERM and SIGHUP, if one came
_SHORT_NAMES = {"output": "o"}
"""Short names of flags, the same in every command that has the flag."""


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Parses the flags, calls `main(argv)` and exits.

    A `ValueError` or an `OSError` (bad input, in this package) and a
    `FloatingPointError` (a simulation or a training run is no longer finite) become one
    line `error: ...` on stderr and exit code 1, as does a backend of JAX that is
    missing. Ctrl-C exits with code 130. SIGTERM and SIGHUP have the same effect as
    Ctrl-C, once, and exit with 143 and 129. (Before `main` they end the program at
    once, which a shell shows as the same codes.) Any other exception is a bug and keeps
    its traceback.
    """
    # Imports make a million objects, none of them garbage: look for it less often.
    gc.set_threshold(100_000)

    def guarded(argv: Sequence[str]) -> None:
        try:
            if len(argv) > 1:
                raise ValueError(f"unexpected argument: {' '.join(argv[1:])}")
            # By default absl prints INFO lines, which would hide the output.
            if not flags.FLAGS["verbosity"].present:
                logging.set_verbosity(logging.WARNING)
            _expand_home()
            keep_compiled_programs()
            warnings.formatwarning = _as_note
            _interrupt_at_signals()
            main(argv)
        except KeyboardInterrupt:
            sys.exit(report_interruption())
        except (ValueError, OSError, FloatingPointError) as error:
            _exit_with(_one_line(error))
        except RuntimeError as error:
            if _NO_BACKEND not in str(error):
                raise
            _exit_with(_one_line(error))

    _add_short_names()
    if {"--help", "-help", "-h", "--helpshort"} & set(sys.argv[1:]):
        print(_help(sys.modules[main.__module__]))
        sys.exit()
    app.run(guarded, flags_parser=_parse_flags)


def report_interruption() -> int:
    """Says that the program is interrupted, and returns the exit code of its signal."""
    print("interrupted", file=sys.stderr, flush=True)
    return _SIGNALED + (_received or [signal.SIGINT])[0]


def end_at_interruption() -> None:
    """Makes Ctrl-C end the program at once, until the `main` of `run` is called.

    While a program starts, no work can be lost. A `KeyboardInterrupt` would be a
    traceback, or another error of the package that is being imported.
    """
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def open_standard_streams() -> None:
    """Opens those of the three standard streams that are closed, to nothing.

    Else the next file that is opened would be one of them, and native libraries would
    write their messages to it. Their name is then that of the null device.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            mode = "r" if number == 0 else "w"
            stream = open(  # noqa: SIM115, it stays open
                os.devnull, mode, opener=lambda *_, to=number: to
            )
            os.set_inheritable(number, True)
            setattr(sys, name, stream)


def show_progress_only_to_people() -> None:
    """Hides progress bars where standard error is a file or another program.

    TQDM_DISABLE decides for the processes that the command starts, too. tqdm reads it
    when it is imported. Where it is set already, it stays.
    """
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")


def use_huge_pages() -> None:
    """Restarts the program with memory pages of 2 MB, if it has not (Linux, glibc).

    Each training step allocates and frees its arrays. With pages of 4 KB, the kernel
    spends more time on page faults than XLA on the computation. glibc reads its
    settings when a program starts, so they cannot be changed later.
    """
    setting = "glibc.malloc.hugetlb=1"
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        environment = os.environ | {"GLIBC_TUNABLES": setting}
        os.execve(sys.executable, sys.orig_argv, environment)


def keep_compiled_programs() -> None:
    """Keeps programs on the disk, traced and compiled, for the next start.

    The folder is `$XDG_CACHE_HOME/duralava`, or that of JAX_COMPILATION_CACHE_DIR. Each
    machine has its own, because machines with other processors may share a home.
    """
    # Not above: they take long to import, and `use_huge_pages` would do it twice.
    import jax

    from duralava import tracing

    if jax.config.jax_compilation_cache_dir is None:
        home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        folder = pathlib.Path(home) / "duralava" / platform.node()
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    tracing.keep_programs(pathlib.Path(jax.config.jax_compilation_cache_dir, "traced"))


def _add_short_names() -> None:
    for name, short in _SHORT_NAMES.items():
        if name in flags.FLAGS:
            flag = flags.FLAGS[name]
            flag.short_name = short
            flags.FLAGS[short] = flag


def _expand_home() -> None:
    """Replaces `~` at the start of flags: shells leave it in `--workdir=~/runs`."""
    for name in flags.FLAGS:
        flag = flags.FLAGS[name]
        if isinstance(flag.value, str):
            flag.value = os.path.expanduser(flag.value)
        elif isinstance(flag.value, list):
            flag.value = [
                os.path.expanduser(value) if isinstance(value, str) else value
                for value in flag.value
            ]


def _as_note(message: Warning | str, *_: object) -> str:
    """Returns a warning as one line, without the place in the code."""
    return f"note: {message}\n"


def _interrupt_at_signals() -> None:
    """Makes Ctrl-C raise `KeyboardInterrupt`, and SIGTERM and SIGHUP do the same.

    Only the first one has an effect: `timeout` sends two, and a terminal that is closed
    may send several.
    """
    numbers = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) != signal.SIG_IGN  # as `nohup` sets it
    ]

    def interrupt(number: int, frame: types.FrameType | None) -> None:
        _received.append(number)
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        handler = signal.getsignal(signal.SIGINT)  # asyncio has its own
        if callable(handler):
            handler(number, frame)
        else:
            raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in numbers:
        signal.signal(number, interrupt)


def _exit_with(line: str) -> NoReturn:
    print(f"error: {line}", file=sys.stderr)
    sys.exit(1)


def _parse_flags(argv: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        _exit_with(_one_line(error))
    except (AttributeError, LookupError, TypeError) as error:
        # A ConfigDict raises these for a key that it does not have.
        _exit_with(_unknown_key(str(error), argv))


def _unknown_key(message: str, argv: Sequence[str]) -> str:
    """Returns which flag has a key that the config does not have, in one sentence."""
    key, *_ = re.findall(r"\w+", message)
    near = re.search(r'Did you mean "(\w+)"', message)
    given = (argument.partition("=")[0] for argument in argv)
    named = (flag for flag in given if flag.startswith("--config."))
    flag = next((flag for flag in named if key in re.split(r"\W+", flag)), None)
    if flag is None:  # an index, or a key below a value
        return f"a --config.KEY names no value of the config: {message}"
    return f"{flag}: the config has no {key}" + (
        f"; did you mean {near[1]}?" if near else ""
    )


def _help(module: types.ModuleType) -> str:
    """Returns the help of a command: its docstring and its flags."""
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
    """Returns a flag as it is written, with its default."""
    if flag.boolean:
        return f"--[no]{flag.name} ({'on' if flag.default else 'off'})"
    default = "" if flag.default is None else flag.serialize().partition("=")[2]
    short = f"-{flag.short_name}, " if flag.short_name else ""
    return f"{short}--{flag.name}={default}"


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
