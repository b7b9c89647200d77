import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np

from duralava import compilation


def test_a_program_gives_what_it_gives_otherwise():
    def function(x, *, power):
        return jnp.sin(x) ** power

    x = jax.random.normal(jax.random.key(0), (100,))
    compiled = compilation.jit(function, static_argnames="power")
    np.testing.assert_allclose(
        compiled(x, power=3),
        jax.jit(function, static_argnames="power")(x, power=3),
        rtol=1e-6,
    )


def test_what_is_donated_is_given_away():
    x = jnp.arange(4.0)
    compilation.jit(lambda x: x + 1, donate_argnums=0)(x)
    assert x.is_deleted()


def test_options_that_xla_does_not_have_are_left_out_and_named(monkeypatch):
    missing = compilation.missing_options()
    monkeypatch.setitem(compilation._OPTIONS, "xla_cpu_option_of_2040", True)
    assert compilation.missing_options() == [*missing, "xla_cpu_option_of_2040"]
    for once in (False, True):
        assert compilation.jit(lambda x: 2 * x, once=once)(21) == 42


def test_nothing_is_compiled_or_asked_for_before_the_first_call():
    program = "from duralava.evaluation import evaluate; print('imported')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"JAX_PLATFORMS": "abacus"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "imported\n", done.stderr
