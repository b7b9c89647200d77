"""How programs are compiled."""

from collections.abc import Callable
from typing import Any

import jax


def jit(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Returns `jax.jit(function, **options)`, compiled as suits the platform.

    On a CPU, LLVM stops after its first level: what takes time in a training step is
    in kernels that are compiled already, and what is between them is compiled in two
    thirds of the time and runs no slower.
    """
    level = {"xla_backend_optimization_level": 1}
    asks_for_less = jax.config.read("jax_disable_most_optimizations")
    suits = jax.default_backend() == "cpu" and not asks_for_less
    return jax.jit(function, compiler_options=level if suits else None, **options)
