import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from urllib.parse import urlsplit

import pytest
from live_server import UPGRADE

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
        (["--allowed_host=http://lamp.example"], "--allowed_host is a name such as"),
        (["--max_connections=0"], "--max_connections"),
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


@contextlib.contextmanager
def started(*flags):
    """Starts the tool as a user does; yields the process."""
    process = subprocess.Popen(
        [sys.executable, "-c", WITH_CTRL_C, TOOL, "--noopen", "--port=0", *flags],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        process.kill()


def page_address(process):
    line = process.stdout.readline()
    return re.fullmatch(r"the lamp plays at (http://\S+) \(Ctrl-C ends it\)\n", line)[1]


@pytest.mark.parametrize(
    ("host", "number"),
    [
        ("127.0.0.1", signal.SIGINT),
        ("::1", signal.SIGTERM),
        ("0.0.0.0", signal.SIGHUP),
    ],
)
def test_it_serves_until_a_signal(host, number):
    with started(f"--host={host}") as process:
        address = page_address(process)
        if host == "0.0.0.0":
            assert host not in address  # others cannot open it
            read_link(process, address)
        else:
            assert (f"[{host}]" if ":" in host else host) in address
        with urllib.request.urlopen(address) as page:
            assert b"duralava" in page.read()
        # A viewer that never reads, and a client that never asks.
        where = urlsplit(address)
        viewer, silent = (
            socket.create_connection((where.hostname, where.port)) for _ in range(2)
        )
        headers = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
        viewer.sendall(
            f"GET /lamp HTTP/1.1\r\nHost: {where.netloc}\r\n{headers}\r\n".encode()
        )
        with viewer, silent:
            assert viewer.recv(12) == b"HTTP/1.1 101"
            process.send_signal(number)
            rest, errors = process.communicate(timeout=10)
    assert rest == ""
    assert process.returncode == 128 + number
    assert errors == "interrupted\n"


@pytest.mark.parametrize(
    ("flags", "watched"),
    [
        (["--allowed_host=lamp.example"], True),  # behind a proxy
        (["--host=0.0.0.0", "--everybody_steers"], False),
    ],
)
def test_flags_say_who_steers(flags, watched):
    with started("--checkpoint=simulated_64", *flags) as process:
        address = page_address(process)
        if watched:
            read_link(process, address)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=10)
        assert rest == ""


def read_link(process, address):
    """Reads the line with the link of the person who steers."""
    line = process.stdout.readline()
    form = r"who opens (\S+) can steer it; others watch\n"
    link = re.fullmatch(form, line)[1]
    assert re.fullmatch(r"[\w-]{16}", link.removeprefix(f"{address}/?steer="))
