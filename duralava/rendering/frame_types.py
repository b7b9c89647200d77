"""Types of the frames of an H.264 film, chosen so that it does not pulse.

A key frame is coded by itself, so that its small errors differ from those of the frame
before it: the picture jumps. B frames lie between two others, and so do their errors.
Here, the frames before each key frame are B frames between the last P frame and the key
frame, and the jump becomes a fade. (In an open group of pictures, they may refer to the
key frame that follows them.)
"""

import collections
import fractions
from collections.abc import Callable

import av
from av.video.frame import PictureType


class TypedFrames:
    """Passes frames on to an encoder, with their types, some frames later.

    A loop has one key frame. After its last frame, a copy of the first one follows, to
    which the last frames lead: where the loop starts again, nothing jumps. It is shown
    for no time, see `show_for_no_time`.
    """

    def __init__(
        self,
        encode: Callable[[av.VideoFrame], None],
        *,
        fade: int,
        spacing: int | None,
    ) -> None:
        """Starts a film.

        Args:
          encode: takes the frames.
          fade: number of B frames before a key frame, at most.
          spacing: of key frames, in frames; None for a loop.
        """
        self._encode = encode
        self._fade = fade
        self._spacing = spacing
        self._held: collections.deque[av.VideoFrame] = collections.deque()
        self._first: av.VideoFrame | None = None
        self._count = 0  # of frames that were added
        self.copy: int | None = None  # index of the copy of the first frame

    def add(self, frame: av.VideoFrame) -> None:
        """Takes the next frame."""
        self._first = self._first or frame
        self._held.append(frame)
        self._count += 1
        if len(self._held) > self._fade:
            self._encode_next()

    def close(self) -> None:
        """Passes all frames on."""
        if self._spacing is None and self._first:
            self.copy = self._count
        while self._held:
            self._encode_next()
        if self.copy is not None:
            self._first.pict_type = PictureType.I
            self._encode(self._first)

    def _encode_next(self) -> None:
        index = self._count - len(self._held)
        frame = self._held.popleft()
        frame.pict_type = self._type(index)
        self._encode(frame)

    def _type(self, index: int) -> PictureType:
        if index == 0 or (self._spacing and index % self._spacing == 0):
            return PictureType.I
        following = self.copy
        if self._spacing:
            following = (index // self._spacing + 1) * self._spacing
            following = following if following < self._count else None
        is_near = following is not None and following - index <= self._fade
        return PictureType.B if is_near else PictureType.P


def show_for_no_time(packet: av.Packet, tick: fractions.Fraction) -> None:
    """Makes the frame of a packet last one tick.

    Args:
      packet: to change.
      tick: the unit of time of its stream in a file, in seconds.
    """
    ticks = packet.time_base / tick
    packet.pts, packet.dts = int(packet.pts * ticks), int(packet.dts * ticks)
    packet.duration, packet.time_base = 1, tick
