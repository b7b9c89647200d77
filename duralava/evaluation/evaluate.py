"""A whole evaluation: a lamp at its horizons, and what it must beat, beside film."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from duralava import models
from duralava.evaluation import (
    baselines,
    durability,
    dynamics,
    features,
    measures,
    normality,
)
from duralava.pretrained import Pretrained
from duralava.signals.correlation import autocorrelation, correlation_time

NEAR = 100_000  # steps; horizons beyond are those of fewer lamps
_SPACING = 64  # steps between two clips of one lamp
_FILM_STEPS = 300  # at most, of the films whose dynamics are looked at
_SHOWN_STEPS = 64
_RECORDS = 10_000  # states of one lamp over time
_RIVAL_HORIZON = 20
_MOTION_LAMPS, _MOTION_STEPS = 64, 2_000

_draw = jax.jit(models.draw, static_argnames="config")

FILM, LEARNED = "held-out film", "learned film (the floor)"
LINEAR, VIDEO = "linear texture", "video texture"


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much is looked at.

    Attributes:
      horizons: numbers of steps, ascending, after which lamps are measured.
      num_clips: clips that are compared with as many of film, at least 40.
      clip_length: in steps, at least 4.
      num_lamps: lamps that run to horizons up to `NEAR`, at least 32; fewer than the
        clips give several clips each.
      num_far_lamps: lamps that run to horizons beyond, at least 32.
      seed: of all that is random.

    Raises:
      ValueError: horizons do not ascend, or a number is too small.
    """

    horizons: tuple[int, ...] = (20, 1_000, 10_000)
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
        least = {"num_clips": 40, "clip_length": 4, "num_lamps": 32}
        for name, value in (least | {"num_far_lamps": 32}).items():
            if getattr(self, name) < value:
                raise ValueError(
                    f"{name} must be at least {value}, not {getattr(self, name)}"
                )

    def runs(self) -> list[tuple[tuple[int, ...], int]]:
        """Returns the horizons of each run, and its number of lamps."""
        near = tuple(h for h in self.horizons if h <= NEAR)
        far = tuple(h for h in self.horizons if h > NEAR)
        runs = [(near, self.num_lamps), (far, self.num_far_lamps)]
        return [(horizons, lamps) for horizons, lamps in runs if horizons]

    @property
    def num_steps(self) -> int:
        """Steps of all runs."""
        return sum(horizons[-1] for horizons, _ in self.runs())


class Evaluation(NamedTuple):
    """What came out.

    Attributes:
      contenders: figures of `measures.compare` by name; horizons are `20 steps`, ...
      durability: tests of the latents, and of frozen or periodic lamps.
      films: u8[T, 8, H, W, 3] of each contender, and of `FILM`, one frame a step: the
        beginning of those whose dynamics were looked at.
    """

    contenders: dict[str, dict[str, Any]]
    durability: dict[str, Any]
    films: dict[str, np.ndarray]


def evaluate(
    pretrained: Pretrained,
    learned: measures.Segments,
    held_out: measures.Segments,
    *,
    stride: int,
    plan: Plan,
    rivals: Mapping[str, Pretrained],
    begin: Callable[[str], Any],
    advance: Callable[[int], Any],
    extractors: Mapping[str, features.Extractor] = features.EXTRACTORS,
) -> Evaluation:
    """Evaluates a lamp.

    Args:
      pretrained: the lamp.
      learned: film that it was trained on.
      held_out: other film of the same kind.
      stride: frames of film per model step.
      plan: how much is looked at.
      rivals: other lamps by name; measured after 20 steps.
      begin: is told each thing that is done, before it is.
      advance: is told the steps that lamps have made.
      extractors: of the features that clips are compared by.

    Raises:
      ValueError: the films are too short or the horizons too far, or a lamp's frames
        are of another size or follow each other at another rate.
    """
    data = pretrained.config.data
    for name, lamp in {"the lamp": pretrained, **rivals}.items():
        _check_fits(name, lamp, learned[0].shape[1], data.steps_per_second)
    runs = [
        (horizons, lamps, _run(pretrained, horizons, lamps, plan, advance))
        for horizons, lamps in plan.runs()
    ]
    begin(FILM)
    film_length = _film_length((learned, held_out), stride)
    reference, known = measures.make_reference(
        learned,
        held_out,
        num_clips=plan.num_clips,
        clip_length=plan.clip_length,
        film_length=film_length,
        stride=stride,
        step_seconds=1 / data.steps_per_second,
        mirrored=data.horizontal_flip,
        extractors=extractors,
    )
    contenders, films = {}, {}

    def judge(name: str, clips: np.ndarray, film: np.ndarray) -> None:
        contenders[name] = measures.compare(clips, film, reference)
        films[name] = film[:_SHOWN_STEPS]

    def cut(film: measures.Segments) -> np.ndarray:
        return measures.cut_clips(film, measures.NUM_LAMPS, film_length, stride=stride)

    films[FILM] = cut(held_out)[:_SHOWN_STEPS]
    begin(LEARNED)
    judge(LEARNED, known, cut(learned))
    rng = np.random.default_rng(plan.seed)
    for name, fit, sample in (
        (LINEAR, baselines.fit_linear_texture, baselines.sample_linear_texture),
        (VIDEO, baselines.fit_video_texture, baselines.sample_video_texture),
    ):
        begin(name)
        texture = fit([segment[::stride] for segment in learned])
        judge(
            name,
            sample(texture, plan.num_clips, plan.clip_length, rng=rng),
            sample(texture, measures.NUM_LAMPS, film_length, rng=rng),
        )
    for name, rival in rivals.items():
        begin(name)
        for state in _run(rival, (_RIVAL_HORIZON,), plan.num_lamps, plan):
            judge(name, *_pictures(rival, state.latents, plan, film_length))

    tests, record = {}, []
    for horizons, num_lamps, states in runs:
        begin(f"{num_lamps} lamps to {horizons[-1]:,} steps")
        record = []
        for state in states:
            name = f"{state.step:,} steps"
            judge(name, *_pictures(pretrained, state.latents, plan, film_length))
            tests[name] = durable(state)
            record.append(state.record)
    begin("dynamics")
    numbers = {
        "horizons": tests,
        "one lamp": one_lamp(np.concatenate(record)),
        "motion": _motion(pretrained, plan),
    }
    return Evaluation(contenders, numbers, films)


def film_stride(fps: float, steps_per_second: float) -> int:
    """Returns the frames of film per model step.

    Raises:
      ValueError: whole frames make steps that are more than a tenth too long or short.
    """
    stride = max(1, round(fps / steps_per_second))
    if abs(stride * steps_per_second / fps - 1) > 0.1:
        raise ValueError(
            f"film of {fps:g} frames a second does not give the {steps_per_second:g} "
            "steps a second that the lamp makes"
        )
    return stride


def durable(state: durability.HorizonState) -> dict[str, Any]:
    """Tests of lamps at one horizon; a small p-value says that something is wrong."""
    monitor = state.monitor
    return {
        "normality": dataclasses.asdict(normality.test_normality(state.latents[0])),
        "smallest_step": float(monitor.smallest_step.min()),
        "repeated": int(monitor.repeated.sum()),
        "largest_cosine": float(monitor.largest_cosine.max()),
        "period_p_value": durability.p_value(monitor),
    }


def one_lamp(record: np.ndarray) -> dict[str, Any]:
    """Tests states f32[R, Z] of one lamp over time, as many as are independent."""
    try:
        spacing = normality.independent_spacing(record[:, None])
        test = normality.test_normality(record[::spacing])
    except ValueError as reason:
        return {"untested": str(reason)}
    return {"spacing": spacing, "normality": dataclasses.asdict(test)}


def _motion(lamp: Pretrained, plan: Plan) -> dict[str, float]:
    """Returns memory and chaos of the latents."""
    model = lamp.config.model
    latent_key, noise_key = jax.random.split(jax.random.key(plan.seed))
    latents = jax.random.normal(latent_key, (_MOTION_LAMPS, model.latent_size))
    params = lamp.params["transition"]
    exponents = dynamics.lyapunov_exponent(
        params, latents, noise_key, num_steps=_MOTION_STEPS, config=model
    )
    _, trajectory = models.rollout(
        params, latents, noise_key, 0, num_steps=_MOTION_STEPS, config=model
    )
    seconds = 1 / lamp.config.data.steps_per_second
    try:
        correlations = autocorrelation(np.asarray(trajectory), _MOTION_STEPS // 2)
        memory = seconds * correlation_time(correlations)
    except ValueError:
        memory = float("inf")
    return {
        "correlation_seconds": memory,
        "lyapunov_per_second": float(exponents.mean()) / seconds,
    }


def _run(
    lamp: Pretrained,
    horizons: tuple[int, ...],
    num_lamps: int,
    plan: Plan,
    advance: Callable[[int], Any] = lambda steps: None,
) -> Iterator[durability.HorizonState]:
    model = lamp.config.model
    latent_key, noise_key = jax.random.split(jax.random.key(plan.seed))
    latents = jax.random.normal(latent_key, (num_lamps, model.latent_size))
    each = -(-plan.num_clips // num_lamps)
    window = max(_FILM_STEPS, (each - 1) * _SPACING + plan.clip_length)
    return durability.run_to_horizons(
        lamp.params["transition"],
        latents,
        noise_key,
        horizons,
        window=window,
        config=model,
        record_every=max(1, horizons[-1] // _RECORDS),
        advance=advance,
    )


def _pictures(
    lamp: Pretrained, latents: np.ndarray, plan: Plan, film_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draws the clips that are compared and the film of some lamps.

    Lamps that are fewer than the clips give several each, some time apart; they are
    neighbours, as `distances.kernel_distance` wants what depends on each other.
    """
    num_lamps, size = latents.shape[1:]
    each = -(-plan.num_clips // num_lamps)
    steps = _SPACING * np.arange(each) + np.arange(plan.clip_length)[:, None]
    clips = latents[steps].swapaxes(1, 2).reshape(plan.clip_length, -1, size)
    clips = clips[:, : plan.num_clips]
    film = latents[:film_length, : measures.NUM_LAMPS]
    return tuple(
        np.asarray(_draw(lamp.params["generator"], z, config=lamp.config.model))
        for z in (clips, film)
    )


def _film_length(films: Sequence[measures.Segments], stride: int) -> int:
    """Returns the steps of the longest films that all of these films have."""
    for steps in range(_FILM_STEPS, 1, -1):
        counts = [measures.count_clips(film, steps, stride=stride) for film in films]
        if min(counts) >= measures.NUM_LAMPS:
            return steps
    return 1


def _check_fits(
    name: str, lamp: Pretrained, size: int, steps_per_second: float
) -> None:
    if lamp.config.model.resolution != size:
        raise ValueError(
            f"{name} makes frames of {lamp.config.model.resolution} pixels, but the "
            f"film's have {size}"
        )
    if not math.isclose(lamp.config.data.steps_per_second, steps_per_second):
        raise ValueError(
            f"{name} makes {lamp.config.data.steps_per_second:g} steps a second, but "
            f"is to be compared with {steps_per_second:g}"
        )
