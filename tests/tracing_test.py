import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from duralava import tracing

PROGRAM = """
import sys
import jax
import jax.numpy as jnp
from duralava import command_line, tracing

def scaled(tree, *, factor):
    print("traced")
    return tree["x"] * factor, {"sum": jnp.sum(tree["x"])}

command_line.keep_compiled_programs()
function = tracing.kept_jit(scaled, static_argnames=("factor",))
for factor in map(int, sys.argv[1:]):
    product, total = function({"x": jnp.arange(3.0)}, factor=factor)
    print(product.tolist(), total["sum"])
    function({"x": product}, factor=factor)
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the program with factors, and a cache of its own; returns what it prints."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def run(*factors):
        command = [sys.executable, "-c", PROGRAM, *map(str, factors)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    run.kept = lambda: list(tmp_path.glob("duralava/*/traced/*"))
    return run


def test_a_program_is_traced_in_the_first_process_only(run):
    result = "[0.0, 2.0, 4.0] 3.0"
    assert run(2) == ["traced", result]
    assert run(2) == [result]
    assert run(3, 2) == ["traced", "[0.0, 3.0, 6.0] 3.0", result]


def test_a_damaged_program_is_traced_again(run):
    first = run(2)
    (path,) = run.kept()
    intact = path.read_bytes()
    path.write_bytes(intact[:-1] + bytes([intact[-1] ^ 1]))
    assert run(2) == first
    assert run(2) == first[1:]
    path.write_bytes(b"")
    assert run(2) == first


def test_a_folder_that_cannot_be_written_to_changes_no_result(run, tmp_path):
    pathlib.Path(tmp_path, "duralava").write_text("no folder")
    assert run(2)[-1] == "[0.0, 2.0, 4.0] 3.0"


def test_a_function_is_part_of_others_that_are_traced():
    double = tracing.kept_jit(lambda x: 2 * x)
    gradient = jax.grad(lambda x: jnp.sum(jnp.square(double(x))))
    np.testing.assert_array_equal(gradient(jnp.arange(3.0)), [0.0, 8.0, 16.0])
