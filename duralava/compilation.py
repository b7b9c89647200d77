"""Compiler options for programs that are large and run for long."""

from collections.abc import Callable
from typing import Any

import jax


def jit(
    function: Callable[..., Any], *, once: bool = False, **options: Any
) -> Callable[..., Any]:
    """Returns `jax.jit(function, **options)`, compiled as suits the platform.

    On a CPU, most of the time of a training step is spent in precompiled kernels. The
    code between them needs little optimisation: LLVM runs at level 1 (0 if the program
    runs only `once`), and XLA uses its older emitter, which does not start a compiler
    for each loop. This takes two thirds of the compile time and half of the memory.
    YNNPACK computes matrix products only: Eigen's convolutions are faster than its own.
    """
    quick = {
        "xla_backend_optimization_level": 0 if once else 1,
        "xla_cpu_use_fusion_emitters": False,
        "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
    }
    asks_for_less = jax.config.read("jax_disable_most_optimizations")
    suits = jax.default_backend() == "cpu" and not asks_for_less
    return jax.jit(function, compiler_options=quick if suits else None, **options)
