"""Counts the floating-point operations of a function, loops included.

XLA's own count (`cost_analysis`) has the body of a loop once, however often it runs.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend import core


def count(function: Callable[..., Any], *arguments: Any) -> float:
    """Returns the operations of all matrix products and convolutions.

    Nearly all arithmetic of a network is in these. A multiplication and an addition are
    two operations. Of the branches of a condition, the most expensive one counts; of
    those for platforms, the last one, so that the count is the same on all of them. The
    body of a loop whose length is not known counts once.

    Args:
      function: traced, but not run.
      *arguments: arrays, or their shapes as `jax.ShapeDtypeStruct`.
    """
    return _count(jax.make_jaxpr(function)(*arguments).jaxpr)


def _count(jaxpr: core.Jaxpr) -> float:
    return sum(map(_count_equation, jaxpr.eqns))


def _count_equation(equation: core.JaxprEqn) -> float:
    name, params = equation.primitive.name, equation.params
    if name in _ARITHMETIC:
        return _ARITHMETIC[name](equation)
    inner = [_count(jaxpr) for jaxpr in _jaxprs(params)]
    if name == "cond":
        return inner[-1] if params.get("branches_platforms") else max(inner)
    return params.get("length", 1) * sum(inner) if name == "scan" else sum(inner)


def _jaxprs(params: dict[str, Any]) -> Iterator[core.Jaxpr]:
    """Yields the functions that an equation calls."""
    for leaf in jax.tree.leaves(list(params.values())):
        if isinstance(leaf, core.ClosedJaxpr):
            yield leaf.jaxpr
        elif isinstance(leaf, core.Jaxpr):
            yield leaf


def _matrix_product(equation: core.JaxprEqn) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    summed = math.prod(left[axis] for axis in contracted)
    return 2.0 * equation.outvars[0].aval.size * summed


def _convolution(equation: core.JaxprEqn) -> float:
    kernel = equation.invars[1].aval
    outputs = kernel.shape[equation.params["dimension_numbers"].rhs_spec[0]]
    products = equation.outvars[0].aval.size * kernel.size // outputs
    # The zeros between the values of a dilated image need no operations.
    return 2.0 * products / math.prod(equation.params["lhs_dilation"])


_ARITHMETIC = {
    "dot_general": _matrix_product,
    "conv_general_dilated": _convolution,
}
