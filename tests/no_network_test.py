"""Tests have no network but this machine, and neither have programs that they start."""

import socket
import subprocess
import sys

import pytest
from no_network import sitecustomize

ELSEWHERE = "192.0.2.1", 80  # an address for documentation


def connect(client):
    client.connect(ELSEWHERE)


def send(client):
    client.sendto(b"?", ELSEWHERE)


@pytest.mark.parametrize(
    ("kind", "use"), [(socket.SOCK_STREAM, connect), (socket.SOCK_DGRAM, send)]
)
def test_nothing_reaches_other_machines(kind, use):
    with (
        socket.socket(type=kind) as client,
        pytest.raises(BaseException, match=r"192\.0\.2\.1") as caught,
    ):
        use(client)
    # A process of pytest-xdist has this module twice.
    assert caught.typename == sitecustomize.NetworkUsed.__name__


def test_names_are_not_looked_up():
    with pytest.raises(socket.gaierror, match="tests have no network"):
        socket.create_connection(("example.org", 80))


def test_this_machine_is_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, server.getsockname()[1])).close()
    assert sitecustomize.is_here("::1")


def test_programs_have_no_network_either():
    code = f"import socket; socket.create_connection({ELSEWHERE})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].startswith("sitecustomize.NetworkUsed")
