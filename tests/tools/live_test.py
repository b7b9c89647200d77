import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

TOOL = pathlib.Path(__file__).parents[2] / "tools/live.py"
# Starts a program so that it gets Ctrl-C, which background jobs of a shell ignore.
WITH_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--fps=0"], "--fps is from 1 to 120, not 0"),
        (["--fps=1000"], "--fps is from 1 to 120, not 1000"),
        (["--checkpoint=nothing"], "no checkpoint 'nothing'"),
        (["--host=256.0.0.1"], "cannot serve at 256.0.0.1, port 8080"),
    ],
)
def test_bad_input_gets_one_line(run_tool, flags, message):
    done = run_tool("live.py", "--noopen", *flags)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_port_in_use_gets_one_line(run_tool):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run_tool("live.py", "--noopen", f"--port={port}")
    assert done.returncode == 1
    line = f"error: 127.0.0.1, port {port} is in use; --port=0 takes a free one\n"
    assert done.stderr == line


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0"])
def test_it_serves_until_ctrl_c(host):
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            WITH_CTRL_C,
            TOOL,
            "--noopen",
            "--port=0",
            f"--host={host}",
        ],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    address = re.fullmatch(
        r"the lamp plays at (http://\S+) \(Ctrl-C ends it\)\n", line
    )[1]
    if host == "0.0.0.0":
        assert host not in address  # others cannot open it
    else:
        assert (f"[{host}]" if ":" in host else host) in address
    with urllib.request.urlopen(address) as page:
        assert b"duralava" in page.read()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == "interrupted\n"
