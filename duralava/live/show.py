"""A lamp that runs in real time, for any number of viewers at once."""

import asyncio
import dataclasses
import functools
import itertools
import struct
from collections.abc import AsyncIterator, Mapping
from concurrent import futures
from typing import Any, NamedTuple

import numpy as np

from duralava.lamp import Lamp
from duralava.live import player, steering, touch

_STATUS_INTERVAL = 0.5  # seconds
_FRAME_HEADER = struct.Struct("<HH")


@dataclasses.dataclass(frozen=True)
class Status:
    """What viewers get to know about the lamp.

    Attributes:
      checkpoint: name of its weights.
      checkpoints: names that can be chosen.
      seed: of the lamp.
      speed: seconds of the lamp per second.
      step: number of steps made.
      seconds: of the lamp's own time since it started.
      mean: of the latent's values.
      std: of the latent's values.
      normal: whether the latent is plausible as a sample of N(0, I).
      viewers: number of viewers.
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


class Update(NamedTuple):
    """What a viewer gets at a time.

    Attributes:
      frame: width and height, two bytes each, little endian, then RGB bytes.
      status: the same object until it changes.
    """

    frame: bytes
    status: Status


class Show:
    """Runs a lamp, and passes its frames to any number of viewers.

    For each viewer there is a queue of length one, with the newest update. A slow
    viewer misses updates; it delays neither the lamp nor other viewers.
    """

    def __init__(
        self, checkpoints: Mapping[str, Lamp], *, fps: float, seed: int
    ) -> None:
        """Starts with the first of the checkpoints, and compiles all programs."""
        self._checkpoints = dict(checkpoints)
        self._fps = fps
        self._settings = steering.Settings(next(iter(self._checkpoints)), seed)
        self._requests: dict[str, Any] = {}
        self._queues: set[asyncio.Queue[Update]] = set()
        self._gradients = functools.cache(
            lambda name: np.asarray(touch.brightening(self._checkpoints[name]))
        )
        self._executor = futures.ThreadPoolExecutor(max_workers=1)
        self._restart()
        self._tick({}, 0.0, draw=True)
        self._status = self._report()

    def request(self, requests: Mapping[str, Any]) -> None:
        """Takes a viewer's requests, which apply from the next frame on.

        Args:
          requests: see `steering.check_requests`.

        Raises:
          ValueError: one of them is invalid.
        """
        steering.check_requests(requests, self._checkpoints)
        self._requests |= requests

    async def updates(self) -> AsyncIterator[Update]:
        """Yields the newest update whenever the viewer is ready for one."""
        queue: asyncio.Queue[Update] = asyncio.Queue(maxsize=1)
        self._queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.discard(queue)

    async def run(self) -> None:
        """Runs the lamp until it is cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        status_every = max(1, round(_STATUS_INTERVAL * self._fps))
        for index in itertools.count():
            watched = bool(self._queues)
            requests, self._requests = self._requests, {}
            frame = await loop.run_in_executor(
                self._executor,
                functools.partial(self._tick, requests, 1 / self._fps, draw=watched),
            )
            if index % status_every == 0:
                self._status = self._report()
            for queue in self._queues if watched else ():
                if queue.full():
                    queue.get_nowait()
                queue.put_nowait(Update(frame, self._status))
            due = steering.next_due(due, loop.time(), fps=self._fps)
            await asyncio.sleep(due - loop.time())

    def _restart(self) -> None:
        self._lamp = self._checkpoints[self._settings.checkpoint]
        self._gradients(self._settings.checkpoint)  # takes a second, once
        self._player = player.begin(self._lamp, self._lamp.start(self._settings.seed))

    def _tick(self, requests: dict[str, Any], seconds: float, *, draw: bool) -> bytes:
        """Applies requests, runs on, and returns the frame if it is to be drawn."""
        tick = steering.steer(self._settings, requests, seconds)
        self._settings = tick.settings
        if tick.restart:
            self._restart()
        if tick.push:
            gradients = self._gradients(self._settings.checkpoint)
            self._player = player.push(self._lamp, self._player, gradients, *tick.push)
        num_steps = tick.lamp_seconds * self._lamp.steps_per_second
        self._player = player.advance(self._lamp, self._player, num_steps)
        if not draw:
            return b""
        frame = player.render_frame(self._lamp, self._player)
        height, width = frame.shape[:2]
        return _FRAME_HEADER.pack(width, height) + frame.tobytes()

    def _report(self) -> Status:
        return Status(
            checkpoint=self._settings.checkpoint,
            checkpoints=tuple(self._checkpoints),
            seed=self._settings.seed,
            speed=self._settings.speed,
            step=self._player.step,
            seconds=self._player.step / self._lamp.steps_per_second,
            viewers=len(self._queues),
            **player.latent_health(self._player.before[0])._asdict(),
        )
