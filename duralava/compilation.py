"""Compiler options for programs that are large and run for long."""

import functools
from collections.abc import Callable
from typing import Any

import jax

_LEVEL = "xla_backend_optimization_level"
_OPTIONS = {
    _LEVEL: 1,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
}


def jit(
    function: Callable[..., Any], *, once: bool = False, **options: Any
) -> Callable[..., Any]:
    """Returns `jax.jit(function, **options)`, compiled as suits the platform.

    On a CPU, most of the time of a training step is spent in precompiled kernels. The
    code between them needs little optimisation: LLVM runs at level 1 (0 if the program
    runs only `once`), and XLA uses its older emitter, which does not start a compiler
    for each loop. This takes two thirds of the compile time and half of the memory.
    YNNPACK computes matrix products only: Eigen's convolutions are faster than its own.

    Options that this version of XLA does not have are left out (`missing_options`). The
    platform is looked up at the first call.
    """

    @functools.cache
    def compiled() -> Callable[..., Any]:
        asks_for_less = jax.config.read("jax_disable_most_optimizations")
        suits = jax.default_backend() == "cpu" and not asks_for_less
        chosen = _quick(once) if suits else None
        return jax.jit(function, compiler_options=chosen, **options)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return compiled()(*args, **kwargs)

    call.lower = lambda *args, **kwargs: compiled().lower(*args, **kwargs)
    return call


def missing_options() -> list[str]:
    """Returns the names of options for CPUs that this version of XLA does not have."""
    return [name for name, value in _OPTIONS.items() if not _exists(name, value)]


def _quick(once: bool) -> dict[str, Any]:
    found = {name: value for name, value in _OPTIONS.items() if _exists(name, value)}
    return found | ({_LEVEL: 0} if once and _LEVEL in found else {})


@functools.cache
def _exists(name: str, value: Any) -> bool:
    """Whether XLA takes an option: its versions have different ones."""
    try:
        jax.jit(lambda: 0, compiler_options={name: value}).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
