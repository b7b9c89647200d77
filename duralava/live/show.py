"""A lamp that runs in real time, for any number of viewers at once."""

import asyncio
import dataclasses
import functools
import itertools
import struct
from collections.abc import AsyncGenerator, Mapping
from concurrent import futures
from typing import Any, NamedTuple

import numpy as np

from duralava.lamp import Lamp
from duralava.live import feature_maps, player, steering, touch

MAP_SECONDS, MAP_STEPS = 1 / 15, 0.5
"""From one map of features to the next, at most: seconds, and steps of the lamp.

Viewers interpolate between two maps. Half a step apart, the picture in the middle
differs from the lamp's by 3 grey levels at most.
"""

_STATUS_INTERVAL = 0.5  # seconds
_PICTURE_HEADER = struct.Struct("<?xHHHd")


@dataclasses.dataclass(frozen=True)
class Status:
    """What viewers get to know about the lamp.

    Attributes:
      checkpoint: name of its weights.
      checkpoints: names that can be chosen.
      loading: the checkpoint that the lamp will change to once it is ready, if any.
      seed: of the lamp.
      speed: seconds of the lamp per second.
      step: number of steps made.
      seconds: of the lamp's own time since it started.
      mean: of the latent's values.
      std: of the latent's values.
      normal: whether the latent is plausible as a sample of N(0, I).
      held: whether it stands still, at a latent that a viewer has set.
      viewers: number of viewers.
    """

    checkpoint: str
    checkpoints: tuple[str, ...]
    loading: str | None
    seed: int
    speed: float
    step: int
    seconds: float
    mean: float
    std: float
    normal: bool
    held: bool
    viewers: int


class Update(NamedTuple):
    """What a viewer gets at a time.

    Attributes:
      picture: a header of 16 bytes, then RGB bytes of a frame or a map of features as
        `feature_maps.pack_map` makes it. The header, little endian: u8, 1 for features;
        an unused byte; u16, width; u16, height; u16, number of the lamp's start, which
        changes where the lamp jumps; f64, time of the picture in seconds.
      status: the same object until it changes.
      head: that colours features, see `feature_maps.describe_head`; the same object
        until it changes, and None for frames.
      latent: of the picture.
    """

    picture: bytes
    status: Status
    head: dict[str, Any] | None
    latent: list[float]


class Show:
    """Runs a lamp, and passes its pictures to any number of viewers.

    A viewer that can colour features gets maps of them, a few in a second, and a
    viewer that cannot gets frames. Only what a viewer needs is computed. For each
    viewer there is a queue of length one, with the newest update. A slow viewer misses
    updates; it delays neither the lamp nor other viewers.
    """

    def __init__(
        self, checkpoints: Mapping[str, Lamp], *, fps: float, seed: int
    ) -> None:
        """Starts with the first of the checkpoints, and compiles its programs."""
        self._checkpoints = {
            name: feature_maps.fill_vectors(lamp) for name, lamp in checkpoints.items()
        }
        self._heads = {
            name: feature_maps.describe_head(lamp)
            for name, lamp in self._checkpoints.items()
            if feature_maps.has_features(lamp)
        }
        self._fps = fps
        self._settings = steering.Settings(next(iter(self._checkpoints)), seed)
        self._requests: dict[str, Any] = {}
        self._viewers: dict[asyncio.Queue[Update], bool] = {}
        self._gradients: dict[str, np.ndarray] = {}  # of checkpoints that are ready
        self._executor = futures.ThreadPoolExecutor(max_workers=1)
        self._loader = futures.ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._next_checkpoint: str | None = None
        self._ticks, self._starts = 0, 0
        self._loading = self._loader.submit(self._prepare, self._settings.checkpoint)
        self._loading.result()
        self._restart()
        self._tick({}, 0.0, {False, True})
        self._status = self._report()

    def request(self, requests: Mapping[str, Any]) -> None:
        """Takes a viewer's requests, which apply from the next frame on.

        Another checkpoint is prepared first, while the lamp runs on.

        Args:
          requests: see `steering.read_requests`.

        Raises:
          ValueError: one of them is invalid.
        """
        latent_size = self._lamp.config.latent_size
        self._requests |= steering.read_requests(
            requests, self._checkpoints, latent_size
        )

    async def updates(self, *, features: bool = False) -> AsyncGenerator[Update]:
        """Yields the newest update whenever the viewer is ready for one.

        Args:
          features: whether the viewer can colour features. It gets frames of weights
            that have none.
        """
        queue: asyncio.Queue[Update] = asyncio.Queue(maxsize=1)
        self._viewers[queue] = features
        try:
            while True:
                yield await queue.get()
        finally:
            del self._viewers[queue]

    async def run(self) -> None:
        """Runs the lamp until it is cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        status_every = max(1, round(_STATUS_INTERVAL * self._fps))
        for index in itertools.count():
            kinds = set(self._viewers.values())
            pictures = await loop.run_in_executor(
                self._executor,
                functools.partial(
                    self._tick, self._take_requests(), 1 / self._fps, kinds
                ),
            )
            if index % status_every == 0:
                self._status = self._report()
            self._publish(pictures, player.shown_latent(self._player))
            due = steering.next_due(due, loop.time(), fps=self._fps)
            await asyncio.sleep(due - loop.time())

    def _publish(self, pictures: dict[bool, bytes], latent: np.ndarray) -> None:
        head = self._heads.get(self._settings.checkpoint)
        values = latent.tolist()
        for queue, features in self._viewers.items():
            if features not in pictures:
                continue
            if queue.full():
                queue.get_nowait()
            picture = pictures[features]
            head_of_picture = head if features else None
            queue.put_nowait(Update(picture, self._status, head_of_picture, values))

    def _take_requests(self) -> dict[str, Any]:
        """Returns the requests that apply now: a checkpoint only once it is ready."""
        requests, self._requests = self._requests, {}
        wanted = requests.pop("checkpoint", self._next_checkpoint)
        is_ready = wanted in self._gradients
        self._next_checkpoint = None if is_ready else wanted
        if is_ready:
            requests["checkpoint"] = wanted
        elif wanted is not None and self._loading.done():
            self._loading.result()  # raises what went wrong
            self._loading = self._loader.submit(self._prepare, wanted)
        return requests

    def _prepare(self, checkpoint: str) -> None:
        """Compiles all that the lamp will do with a checkpoint."""
        lamp = self._checkpoints[checkpoint]
        gradients = np.asarray(touch.brightening(lamp))
        state = player.begin(lamp, lamp.start(self._settings.seed))
        state = player.push(lamp, state, gradients, 0.5, 0.5, player.PUSH_SECONDS)
        state = player.place(lamp, state, player.shown_latent(state).tolist())
        player.render_frame(lamp, player.advance(lamp, state, 1.0))
        if checkpoint in self._heads:
            player.compute_features(lamp, state)
        player.latent_health(state.before[0])
        self._gradients[checkpoint] = gradients

    def _restart(self) -> None:
        self._lamp = self._checkpoints[self._settings.checkpoint]
        self._player = player.begin(self._lamp, self._lamp.start(self._settings.seed))
        self._starts += 1

    def _tick(
        self, requests: dict[str, Any], seconds: float, kinds: set[bool]
    ) -> dict[bool, bytes]:
        """Applies requests, runs on, and returns the pictures that are due.

        `kinds` and the keys say whether viewers can colour features.
        """
        tick = steering.steer(self._settings, requests, seconds)
        self._settings = tick.settings
        if tick.restart:
            self._restart()
        # A latent for the lamp before has another size, perhaps.
        if tick.latent and len(tick.latent) == self._lamp.config.latent_size:
            self._player = player.place(self._lamp, self._player, tick.latent)
            self._starts += 1
        if tick.push:
            gradients = self._gradients[self._settings.checkpoint]
            self._player = player.push(self._lamp, self._player, gradients, *tick.push)
        num_steps = tick.lamp_seconds * self._lamp.steps_per_second
        self._player = player.advance(self._lamp, self._player, num_steps)
        pictures = {}
        for features in kinds:
            if not (features and self._settings.checkpoint in self._heads):
                frame = player.render_frame(self._lamp, self._player)
                pictures[features] = self._pack(False, frame.shape, frame.tobytes())
            elif tick.restart or tick.latent or self._ticks % self._map_every() == 0:
                found = player.compute_features(self._lamp, self._player)
                packed = feature_maps.pack_map(found)
                pictures[features] = self._pack(True, found.shape, packed)
        self._ticks += 1
        return pictures

    def _map_every(self) -> int:
        """Returns the number of ticks from one map of features to the next."""
        steps_per_second = self._settings.speed * self._lamp.steps_per_second
        seconds = min(MAP_SECONDS, MAP_STEPS / steps_per_second)
        return max(1, int(seconds * self._fps))

    def _pack(self, features: bool, shape: tuple[int, ...], values: bytes) -> bytes:
        height, width = shape[:2]
        start = self._starts % 2**16
        seconds = self._ticks / self._fps
        return _PICTURE_HEADER.pack(features, width, height, start, seconds) + values

    def _report(self) -> Status:
        return Status(
            checkpoint=self._settings.checkpoint,
            checkpoints=tuple(self._checkpoints),
            loading=self._next_checkpoint,
            seed=self._settings.seed,
            speed=self._settings.speed,
            held=self._settings.held,
            step=self._player.step,
            seconds=self._player.step / self._lamp.steps_per_second,
            viewers=len(self._viewers),
            **player.latent_health(self._player.before[0])._asdict(),
        )
