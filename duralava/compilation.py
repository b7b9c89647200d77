"""How programs are compiled."""

from collections.abc import Callable
from typing import Any

import jax


def jit(
    function: Callable[..., Any], *, once: bool = False, **options: Any
) -> Callable[..., Any]:
    """Returns `jax.jit(function, **options)`, compiled as suits the platform.

    On a CPU, what takes time in a training step is in kernels that are compiled
    already. For what is between them LLVM stops after its first level (before it, if
    the program runs only `once`), and XLA takes its older emitter, which makes no
    compiler of its own for each loop: two thirds of the time, half of the memory.
    YNNPACK gets the matrix products alone: Eigen's convolutions are faster than its.
    """
    quick = {
        "xla_backend_optimization_level": 0 if once else 1,
        "xla_cpu_use_fusion_emitters": False,
        "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
    }
    asks_for_less = jax.config.read("jax_disable_most_optimizations")
    suits = jax.default_backend() == "cpu" and not asks_for_less
    return jax.jit(function, compiler_options=quick if suits else None, **options)
