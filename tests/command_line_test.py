import os
import signal
import subprocess
import sys

import pytest

TOOL = """
import sys
from absl import flags, logging
from duralava import command_line

_NAME = flags.DEFINE_string("name", "", "")
_COUNT = flags.DEFINE_integer("count", 1, "")

def main(argv):
    logging.info("told")
    {body}

command_line.run(main)
"""

START = """
import signal as s
from duralava import command_line
s.signal(s.SIGINT, s.{handler})
command_line.end_at_interruption()
"""


def run_tool(body, *arguments, before=""):
    return subprocess.run(
        [sys.executable, "-c", before + TOOL.format(body=body), *arguments],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("raise ValueError('no such\\nthing')", "error: no such thing"),
        ("open('/nowhere/film')", "error: /nowhere/film: No such file or directory"),
    ],
)
def test_bad_input_is_one_line_and_code_1(body, line):
    result = run_tool(body)

    assert result.returncode == 1
    assert result.stderr == line + "\n"


def test_what_is_no_longer_finite_is_one_line_and_code_1():
    result = run_tool("raise FloatingPointError('step 7: not finite: loss')")

    assert result.returncode == 1
    assert result.stderr == "error: step 7: not finite: loss\n"


def test_other_exceptions_keep_their_traceback():
    result = run_tool("raise RuntimeError('a fault')")

    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_ctrl_c_exits_with_130_and_no_traceback():
    # What a shell starts in the background would ignore the signal.
    body = "import signal as s; s.signal(s.SIGINT, s.default_int_handler)"
    result = run_tool(f"{body}; s.raise_signal(s.SIGINT)")

    assert result.returncode == 130
    assert result.stderr == "interrupted\n"


def test_ctrl_c_while_a_program_starts_ends_it_at_once_without_a_word():
    before = START.format(handler="default_int_handler") + "s.raise_signal(s.SIGINT)"
    result = run_tool("pass", before=before)

    assert result.returncode == -signal.SIGINT  # a shell shows 130
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("handler", "result"),
    [("default_int_handler", (130, "interrupted\n")), ("SIG_IGN", (0, ""))],
)
def test_ctrl_c_in_main_has_its_effect_after_such_a_start(handler, result):
    body = "s.raise_signal(s.SIGINT)"
    ended = run_tool(body, before=START.format(handler=handler))

    assert (ended.returncode, ended.stderr) == result


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_that_end_a_program_interrupt_it_once(name):
    body = f"""
    import signal as s
    try:
        s.raise_signal(s.{name})
    except KeyboardInterrupt:
        for number in (s.SIGTERM, s.SIGHUP, s.{name}):
            s.raise_signal(number)
        print("finished")
        raise
    """.replace("\n    ", "\n        ")
    result = run_tool(f"if True:{body}")

    assert result.returncode == 128 + getattr(signal, name)
    assert (result.stdout, result.stderr) == ("finished\n", "interrupted\n")


def test_a_hangup_that_is_ignored_stays_so():
    body = "import signal as s; s.raise_signal(s.SIGHUP); print('goes on')"
    nohup = "import signal as s; s.signal(s.SIGHUP, s.SIG_IGN)\n"
    result = run_tool(body, before=nohup)

    assert (result.returncode, result.stdout) == (0, "goes on\n")


def test_a_missing_backend_is_one_line():
    body = "import jax; jax.devices()"
    result = subprocess.run(
        [sys.executable, "-c", TOOL.format(body=body)],
        env=os.environ | {"JAX_PLATFORMS": "abacus"},
        capture_output=True,
        text=True,
    )

    assert result.returncode == 1
    assert result.stderr.startswith("error: Unable to initialize backend 'abacus'")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_opened_to_nothing(tmp_path, closed):
    program = """
import os, sys
from duralava import command_line

command_line.open_standard_streams()
with open(sys.argv[1], "w") as file:
    assert file.fileno() > 2
    print("to output")
    print("to errors", file=sys.stderr)
    assert (sys.stdout.name == os.devnull) == (">&-" in sys.argv[2].split())
    os.write(1, b"native, to output")
    os.write(2, b"native, to errors")
    file.write(f"{sys.stdin.read()} is nothing")
    os.execv(sys.executable, [sys.executable, "-c", "import os; os.fstat(2)"])
"""
    path = tmp_path / "film"
    done = subprocess.run(
        [
            *("sh", "-c", f'exec "$0" "$@" {closed}'),
            *(sys.executable, "-c", program, path, closed),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert b"".join([done.stdout, done.stderr]).count(b"native") == 2 - closed.count(
        ">&-"
    )


def test_success_is_silent_and_flags_arrive():
    result = run_tool("print(_NAME.value)", "--name=lamp")

    assert (result.returncode, result.stdout, result.stderr) == (0, "lamp\n", "")


def test_info_lines_come_where_they_are_asked_for():
    assert "told" in run_tool("pass", "--verbosity=0").stderr


@pytest.mark.parametrize(
    ("argument", "name"),
    [("stray", "stray"), ("--colour=red", "colour"), ("--count=many", "count")],
)
def test_arguments_that_cannot_be_are_named_in_one_line(argument, name):
    result = run_tool("pass", argument)

    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and name in line


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's setting")
def test_huge_pages_are_set_before_the_program_starts():
    program = """
import os, sys
from duralava import command_line

command_line.use_huge_pages()
print(os.environ["GLIBC_TUNABLES"], *sys.argv[1:])
"""
    environment = dict(os.environ)
    for given, expected in (
        (None, "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=0"),
    ):
        environment.pop("GLIBC_TUNABLES", None)
        if given:
            environment["GLIBC_TUNABLES"] = given
        result = subprocess.run(
            [sys.executable, "-c", program, "--a=b c"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout == f"{expected} --a=b c\n"


def test_a_tilde_in_a_flag_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    result = run_tool("print(_NAME.value)", "--name=~/runs/lamp")
    assert result.stdout == "/home/someone/runs/lamp\n"
    assert run_tool("print(_NAME.value)", "--name=a~b").stdout == "a~b\n"


def test_a_warning_is_one_line_without_its_place_in_the_code():
    result = run_tool("import warnings; warnings.warn('the film is cut short')")
    assert result.returncode == 0
    assert result.stderr == "note: the film is cut short\n"
