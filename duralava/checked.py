"""Frozen dataclasses that check the types and ranges of their fields.

`number` declares the range of a field; a subclass of `Checked` raises one clear line
where a value does not fit, and `from_dict` makes one from the dicts and lists of JSON.
"""

import dataclasses
import math
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

_KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
}
_TOO_LARGE = 2**63  # for whole numbers: larger ones are no float, or no index
_LIMITS = {
    "at least": lambda value, limit: value >= limit,
    "at most": lambda value, limit: value <= limit,
    "above": lambda value, limit: value > limit,
    "below": lambda value, limit: value < limit,
}


def number(
    default: Any,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    **metadata: Any,
) -> Any:
    """Declares a field whose value, or each value of its tuple, lies in a range."""
    limits = {"at least": least, "at most": most, "above": above, "below": below}
    given = {words: limit for words, limit in limits.items() if limit is not None}
    return dataclasses.field(default=default, metadata={"limits": given, **metadata})


@dataclasses.dataclass(frozen=True)
class Checked:
    """Checks the types and ranges of its fields when it is made.

    A whole number is accepted where a float is asked for, and becomes one; nothing else
    is converted. Subclasses are frozen dataclasses; `section` is the name by which
    messages address their fields, as in `data.batch_size`.

    Raises:
      ValueError: a value has another type or is out of range; the message names the
        field.
    """

    _prefix: ClassVar[str] = ""

    def __init_subclass__(cls, section: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._prefix = f"{section}." if section else ""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            name = self._prefix + field.name
            value = _typed(getattr(self, field.name), field.type, name)
            object.__setattr__(self, field.name, value)
            for each in value if isinstance(value, tuple) else (value,):
                for words, limit in field.metadata.get("limits", {}).items():
                    if not _LIMITS[words](each, limit):
                        raise ValueError(
                            f"{name} must be {words} {limit:g}, not {each:g}"
                        )
        self._check()

    def _check(self) -> None:
        """Checks what several fields must satisfy together."""


def from_dict(kind: type, values: Mapping[str, Any]) -> Any:
    """Returns the dataclass `kind` made from nested `values`, defaults filled in.

    Raises:
      ValueError: a key is not a field of its dataclass, or a value does not fit.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{kind.__name__} must be a mapping of fields, not {values!r}")
    kinds = {field.name: field.type for field in dataclasses.fields(kind)}
    unknown = sorted(set(values) - set(kinds))
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {', '.join(unknown)}")
    return kind(**{name: _parsed(value, kinds[name]) for name, value in values.items()})


def _parsed(value: Any, kind: Any) -> Any:
    """Makes dataclasses and tuples of dicts and lists, as the type asks."""
    if dataclasses.is_dataclass(kind):
        return value if isinstance(value, kind) else from_dict(kind, value)
    if typing.get_origin(kind) is tuple and isinstance(value, list | tuple):
        item = typing.get_args(kind)[0]
        if typing.get_origin(item) is tuple or dataclasses.is_dataclass(item):
            value = (_parsed(each, item) for each in value)
        return tuple(value)
    return value


def _typed(value: Any, kind: Any, name: str) -> Any:
    """Returns `value`, a whole number as float where that is the type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return _typed_tuple(value, arguments, name)
    if origin is Literal:
        if value not in arguments:
            known = ", ".join(arguments)
            raise ValueError(f"{name} is {value!r}; it can be one of {known}")
        return value
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, kind):
            raise ValueError(f"{name} must be a {kind.__name__}, not {value!r}")
        return value
    if type(value) is int and abs(value) >= _TOO_LARGE:
        raise ValueError(f"{name} must be below 2^63, not of {len(str(value))} digits")
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{name} must be {_KINDS[kind]}, not {value!r}")
    if kind is float and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, not {value}")
    return value


def _typed_tuple(value: Any, kinds: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    if not isinstance(value, tuple):
        raise ValueError(f"{name} must be a tuple, not {value!r}")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(value) != len(kinds):
        raise ValueError(f"{name} must have {len(kinds)} entries, not {len(value)}")
    return tuple(
        _typed(item, kind, f"{name}[{index}]")
        for index, (item, kind) in enumerate(zip(value, kinds, strict=True))
    )
