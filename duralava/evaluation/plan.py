"""How much of a lamp an evaluation measures."""

import dataclasses
import itertools

NEAR = 100_000  # steps; fewer lamps run to horizons beyond
DEFAULT_HORIZONS = (20, 1_000, 10_000, 100_000, 1_000_000)
LEAST_CLIPS, LEAST_STEPS, LEAST_LAMPS = 40, 4, 32
"""Fewest clips and lamps that give an interval, and steps that show motion."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
      horizons: numbers of steps, ascending, after which lamps are measured.
      num_clips: clips that are compared with the same number of film clips, at least
        40.
      clip_length: steps in a clip, at least 4.
      num_lamps: lamps that run to horizons up to `NEAR`, at least 32. If they are fewer
        than the clips, each gives several clips.
      num_far_lamps: lamps that run to horizons beyond, at least 32. They are measured
        at the first horizon as well: the effect of time shows in the same lamps.
      seed: of all random numbers.

    Raises:
      ValueError: horizons do not ascend, or a number is too small.
    """

    horizons: tuple[int, ...] = DEFAULT_HORIZONS
    num_clips: int = 512
    clip_length: int = 16
    num_lamps: int = 1024
    num_far_lamps: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        ascend = all(b > a for a, b in itertools.pairwise(self.horizons))
        if not (self.horizons and self.horizons[0] >= 0 and ascend):
            raise ValueError(
                "horizons must be ascending numbers of steps, not "
                f"{', '.join(map(str, self.horizons))}"
            )
        for name, value in (
            ("num_clips", LEAST_CLIPS),
            ("clip_length", LEAST_STEPS),
            ("num_lamps", LEAST_LAMPS),
            ("num_far_lamps", LEAST_LAMPS),
        ):
            if getattr(self, name) < value:
                raise ValueError(
                    f"{name} must be at least {value}, not {getattr(self, name)}"
                )

    def runs(self) -> list[tuple[tuple[int, ...], int]]:
        """Returns the horizons of each run, and its number of lamps."""
        near = tuple(h for h in self.horizons if h <= NEAR)
        far = tuple(h for h in self.horizons if h > NEAR)
        if near and far:
            far = (near[0], *far)
        runs = [(near, self.num_lamps), (far, self.num_far_lamps)]
        return [(horizons, lamps) for horizons, lamps in runs if horizons]

    @property
    def num_steps(self) -> int:
        """Steps of all runs."""
        return sum(horizons[-1] for horizons, _ in self.runs())


DEFAULT_PLAN = Plan()
