"""How viewers' requests change a live lamp.

The exported page has the same in `duralava/export/static/steering.js`. The tests of
both read `tests/fixtures/live.json`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from duralava.live.player import PUSH_SECONDS

MIN_SPEED, MAX_SPEED = 0.1, 10.0  # seconds of a lamp per second
MAX_VALUE = 10.0  # of a latent that is requested; N(0, 1) has none beyond 6
MAX_CATCH_UP = 0.5  # seconds; a lamp that is later than this loses the rest
_MAX_SEED = 2**31 - 1


class Touch(NamedTuple):
    """A place in the picture that a viewer touches.

    Attributes:
      x: from the left edge, 0, to the right, 1.
      y: from the top, 0, to the bottom, 1.
      seconds: how much longer the touch lasts.
    """

    x: float
    y: float
    seconds: float


class Settings(NamedTuple):
    """What viewers can change.

    Attributes:
      checkpoint: name of the lamp's weights.
      seed: of the lamp.
      speed: seconds of the lamp per second.
      touch: that has not ended yet, if there is one.
      held: whether the lamp stands still, at a latent that a viewer has set.
    """

    checkpoint: str
    seed: int
    speed: float = 1.0
    touch: Touch | None = None
    held: bool = False


class Tick(NamedTuple):
    """What the lamp does in the time of one frame.

    Attributes:
      settings: after the tick.
      restart: whether the lamp starts again first, from these settings.
      latent: to which the lamp is set after that, if a viewer has sent one.
      push: the part of the touch within the tick, if the lamp is touched.
      lamp_seconds: by which the lamp runs on.
    """

    settings: Settings
    restart: bool
    latent: Sequence[float] | None
    push: Touch | None
    lamp_seconds: float


def read_requests(
    requests: Mapping[str, Any], checkpoints: Collection[str], latent_size: int
) -> dict[str, Any]:
    """Returns what a viewer has sent, checked, with all numbers but the seed as floats.

    Args:
      requests: any of `{"speed": 2}`, `{"seed": 7}`, `{"checkpoint": NAME}`,
        `{"push": [x, y]}`, a place in the picture from 0 to 1, and
        `{"latent": [z, ...]}`, at which the lamp stands still until
        `{"latent": null}`.
      checkpoints: names that can be requested.
      latent_size: number of values of a latent.

    Raises:
      ValueError: a request is none of these, or its value is out of range.
    """
    return {
        name: _read_value(name, value, checkpoints, latent_size)
        for name, value in requests.items()
    }


def steer(settings: Settings, requests: Mapping[str, Any], seconds: float) -> Tick:
    """Applies requests to the settings, and returns what the lamp does in one tick.

    Args:
      settings: before the tick.
      requests: as `read_requests` returns them.
      seconds: of real time that the tick lasts.
    """
    touch = Touch(*requests["push"], PUSH_SECONDS) if "push" in requests else None
    touch = touch or settings.touch
    rest, push = None, None
    if touch:
        push = touch._replace(seconds=min(seconds, touch.seconds))
        if touch.seconds > seconds:
            rest = touch._replace(seconds=touch.seconds - seconds)
    latent = requests.get("latent")
    settings = Settings(
        requests.get("checkpoint", settings.checkpoint),
        requests.get("seed", settings.seed),
        requests.get("speed", settings.speed),
        rest,
        latent is not None if "latent" in requests else settings.held,
    )
    restart = "checkpoint" in requests or "seed" in requests
    lamp_seconds = 0.0 if settings.held else seconds * settings.speed
    return Tick(settings, restart, latent, push, lamp_seconds)


def next_due(due: float, now: float, *, fps: float) -> float:
    """Returns when the next frame is due.

    Late frames follow one another without a pause until the lamp has caught up, by
    `MAX_CATCH_UP` at most.

    Args:
      due: when the frame before was due, in seconds of any clock.
      now: time of that clock.
      fps: frames per second.
    """
    return max(due + 1 / fps, now - MAX_CATCH_UP)


def _read_value(
    name: str, value: Any, checkpoints: Collection[str], latent_size: int
) -> Any:
    between = -MAX_VALUE, MAX_VALUE
    match name:
        case "speed" if _is_number(value, MIN_SPEED, MAX_SPEED):
            return float(value)
        case "seed" if isinstance(value, int) and _is_number(value, 0, _MAX_SEED):
            return value
        case "checkpoint" if isinstance(value, str) and value in checkpoints:
            return value
        case "push" if _are_numbers(value, 2, 0, 1):
            return [float(number) for number in value]
        case "latent" if value is None:
            return None
        case "latent" if _are_numbers(value, latent_size, *between):
            return [float(number) for number in value]
    raise ValueError(f"invalid request: {name[:20]}")


def _are_numbers(values: Any, count: int, least: float, most: float) -> bool:
    is_list = isinstance(values, list) and len(values) == count
    return is_list and all(_is_number(value, least, most) for value in values)


def _is_number(value: Any, least: float, most: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and least <= value <= most
