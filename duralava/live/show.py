"""A lamp on show: one for all viewers, in real time, under their control."""

import asyncio
import dataclasses
import functools
import itertools
import struct
from collections.abc import AsyncIterator, Mapping
from concurrent import futures
from typing import Any, NamedTuple

from duralava.live import player
from duralava.pretrained import Pretrained
from duralava.rendering.lamps import fresh_lamps

_LAST_SEED = 2**31 - 1
_STATUS_SECONDS = 0.5
_LATE_SECONDS = 0.5  # behind its time by more, the lamp does not catch up
_FRAME_HEADER = struct.Struct("<HH")


@dataclasses.dataclass(frozen=True)
class Status:
    """What viewers are told of the lamp.

    Attributes:
      checkpoint: name of its weights.
      checkpoints: names that can be chosen.
      seed: of the lamp.
      speed: seconds of the lamp in a second.
      step: number of steps made.
      seconds: of the lamp's own time since it began.
      mean: of the latent's values.
      std: of the latent's values.
      normal: whether they pass for a sample of N(0, I).
      viewers: how many watch.
    """

    checkpoint: str
    checkpoints: tuple[str, ...]
    seed: int
    speed: float
    step: int
    seconds: float
    mean: float
    std: float
    normal: bool
    viewers: int


class Moment(NamedTuple):
    """What a viewer gets.

    Attributes:
      frame: width and height, two bytes each, little endian, then RGB bytes.
      status: the same object until there is news.
    """

    frame: bytes
    status: Status


class Show:
    """Runs the lamp, and hands its frames to any number of viewers.

    A viewer has room for one moment only. One that is slow finds the latest there, and
    holds up neither the lamp nor anyone else.
    """

    def __init__(
        self, checkpoints: Mapping[str, Pretrained], *, fps: float, seed: int
    ) -> None:
        """Begins with the first of the checkpoints, and compiles what it takes."""
        self._checkpoints = dict(checkpoints)
        self._fps = fps
        self._speed = 1.0
        self._wishes: dict[str, Any] = {}
        self._push: tuple[float, float, float] | None = None
        self._viewers: set[asyncio.Queue[Moment]] = set()
        self._worker = futures.ThreadPoolExecutor(max_workers=1)
        self._begin(next(iter(self._checkpoints)), seed)
        self._tick({}, 0.0, draw=True)
        self._status = self._report()

    def wish(self, wishes: Mapping[str, Any]) -> None:
        """Takes a viewer's wishes, to be granted before the next frame.

        Args:
          wishes: any of `{"speed": 2}`, `{"seed": 7}`, `{"checkpoint": NAME}` and
            `{"push": [x, y]}`, a place in the picture from 0 to 1.

        Raises:
          ValueError: one is none of these.
        """
        for name, value in wishes.items():
            if not self._can_be(name, value):
                raise ValueError(f"no such wish: {name[:20]}")
        self._wishes |= wishes

    async def watch(self) -> AsyncIterator[Moment]:
        """Yields the moments that a viewer has time for, the latest each time."""
        room: asyncio.Queue[Moment] = asyncio.Queue(maxsize=1)
        self._viewers.add(room)
        try:
            while True:
                yield await room.get()
        finally:
            self._viewers.discard(room)

    async def run(self) -> None:
        """Runs the lamp until it is cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        every = max(1, round(_STATUS_SECONDS * self._fps))
        for index in itertools.count():
            watched = bool(self._viewers)
            wishes, self._wishes = self._wishes, {}
            frame = await loop.run_in_executor(
                self._worker,
                functools.partial(self._tick, wishes, 1 / self._fps, draw=watched),
            )
            if index % every == 0:
                self._status = self._report()
            for room in self._viewers if watched else ():
                if room.full():
                    room.get_nowait()
                room.put_nowait(Moment(frame, self._status))
            due = max(due + 1 / self._fps, loop.time() - _LATE_SECONDS)
            await asyncio.sleep(due - loop.time())

    def _can_be(self, name: str, value: Any) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        match name:
            case "speed":
                return number and player.SLOWEST <= value <= player.FASTEST
            case "seed":
                return number and isinstance(value, int) and 0 <= value <= _LAST_SEED
            case "checkpoint":
                return isinstance(value, str) and value in self._checkpoints
            case "push":
                return (
                    isinstance(value, list)
                    and len(value) == 2
                    and all(isinstance(v, int | float) and 0 <= v <= 1 for v in value)
                )
        return False

    def _begin(self, checkpoint: str, seed: int) -> None:
        self._checkpoint, self._seed = checkpoint, seed
        self._weights = self._checkpoints[checkpoint]
        model = self._weights.config.model
        lamps = fresh_lamps(seed, config=model)
        self._player = player.begin(self._weights.params, lamps, config=model)

    def _tick(self, wishes: dict[str, Any], seconds: float, *, draw: bool) -> bytes:
        """Grants wishes, runs on, and returns the frame, or nothing if none is due."""
        if "checkpoint" in wishes or "seed" in wishes:
            self._begin(
                wishes.get("checkpoint", self._checkpoint),
                wishes.get("seed", self._seed),
            )
        self._speed = wishes.get("speed", self._speed)
        if "push" in wishes:
            self._push = (*wishes["push"], player.PUSH_SECONDS)
        params, config = self._weights
        if self._push:
            x, y, left = self._push
            self._player = player.push(
                params, self._player, x, y, min(seconds, left), config=config.model
            )
            self._push = (x, y, left - seconds) if left > seconds else None
        self._player = player.advance(
            params,
            self._player,
            seconds * self._speed * config.data.steps_per_second,
            config=config.model,
        )
        if not draw:
            return b""
        frame = player.draw(params, self._player, config=config.model)
        height, width = frame.shape[:2]
        return _FRAME_HEADER.pack(width, height) + frame.tobytes()

    def _report(self) -> Status:
        steps_per_second = self._weights.config.data.steps_per_second
        return Status(
            checkpoint=self._checkpoint,
            checkpoints=tuple(self._checkpoints),
            seed=self._seed,
            speed=self._speed,
            step=self._player.step,
            seconds=self._player.step / steps_per_second,
            viewers=len(self._viewers),
            **player.health(self._player)._asdict(),
        )
