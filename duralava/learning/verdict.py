"""What a person is told of a lamp that has learned their film, in plain words."""

import dataclasses
import math
from typing import Any

from duralava.learning.progress import duration
from duralava.learning.score import Score

_ENOUGH_SECONDS = 300.0  # of film
_GOOD = 70  # of 100


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How near a lamp came to its film, and why.

    Attributes:
      pictures: likeness of single pictures to the film, 0 to 100, see `likeness`.
      motion: the same of short clips.
      sentences: the same in words, and what would help.
    """

    pictures: int
    motion: int
    sentences: tuple[str, ...]


def likeness(distance: float) -> int:
    """Returns a Frechet distance, over that of learned film, as a number up to 100.

    It is 100 where generated film is as far from held-out film as learned film is. A
    Frechet distance is a square, so the number is 50 for a distance four times as
    large.
    """
    return round(100 / math.sqrt(max(1.0, distance)))


def give_verdict(
    score: Score,
    *,
    film_seconds: float,
    held_out_seconds: float,
    step: int,
    num_steps: int,
) -> Verdict:
    """Says how near a lamp is to its film, and what limits it.

    Args:
      score: of the lamp.
      film_seconds: length of the whole film.
      held_out_seconds: length of the part that was not learned.
      step: steps that were trained.
      num_steps: steps that were planned.
    """
    pictures, motion = likeness(score.frames), likeness(score.clips)
    sentences = [
        f"Its pictures look like the film {pictures} of 100, its motion {motion} of "
        "100.",
        f"This was measured on the last {duration(held_out_seconds)} of the film, "
        "which it has not seen.",
    ]
    if score.memorised:
        sentences.append("It has learned pictures of the film by heart.")
    else:
        sentences.append("It has not learned the film by heart: its pictures are new.")
    if film_seconds < _ENOUGH_SECONDS:
        sentences.append(
            f"The film has {duration(film_seconds)}; "
            f"{duration(_ENOUGH_SECONDS)} would help."
        )
    if step < num_steps:
        sentences.append(
            f"It was trained for {step} of {num_steps} steps; the same command "
            "continues."
        )
    elif min(pictures, motion) < _GOOD and not score.memorised:
        sentences.append("More time would help: set --minutes higher.")
    return Verdict(pictures, motion, tuple(sentences))


def as_json(verdict: Verdict, score: Score) -> dict[str, Any]:
    """Returns a verdict, and the distances behind it, for programs."""
    return {**dataclasses.asdict(verdict), "distances": score._asdict()}
