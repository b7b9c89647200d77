"""An evaluation with made-up numbers, for tests of what is shown of it."""

import math

import numpy as np
import tiny

from duralava.evaluation import evaluate, features, ladder, latents
from duralava.evaluation.contenders import LEARNED, LINEAR, VIDEO
from duralava.evaluation.distances import Estimate, FeatureDistances, Untested
from duralava.evaluation.measures import ClipFigures, Dynamics, Sharpness, WaxFigures
from duralava.evaluation.normality import NormalityTests

NAMES = [LEARNED, LINEAR, VIDEO, "<rival>", "20 steps"]


def figures(index):
    kernel = Estimate(value=0.01 * index, low=-0.01, high=0.02 * index)
    distances = FeatureDistances(0.5 + index, kernel, density=0.9, coverage=0.8)
    values = {
        "two_sample": ladder.LadderFigures(
            *({name: rung(index, name) for name in ladder.RUNGS} for _ in ladder.FORMS)
        ),
        "sharpness": Sharpness(frames=0.95, windows=ladder.NO_WINDOWS),
        "wax": WaxFigures(1.0, 1.0, 0.1, 0.1, roundness=0.2, rise_speed=math.nan),
        "novelty": 1.125 + index,
        "motion": 1.0,
        "backwards": kernel,
        "dynamics": Dynamics(recurrence=0.4375, autocorrelation=0.2),
    }
    return ClipFigures(64, dict.fromkeys(features.EXTRACTORS, distances), values)


def rung(index, name):
    if name == ladder.WINDOWS:
        return ladder.NO_WINDOWS
    return Estimate(value=0.5 + index / 20, low=0.4, high=0.6)


def film(index):
    """Eight lamps of different brightness that get brighter."""
    steps, lamps = np.indices((5, 8))
    grey = (20 * index + 8 * lamps + 16 * steps).astype(np.uint8)
    return np.broadcast_to(grey[..., None, None, None], (5, 8, 16, 16, 3))


def evaluation():
    """An evaluation with a horizon."""
    rng = np.random.default_rng(0)
    normality = NormalityTests(
        num_samples=64,
        mean=rng.normal(size=8),
        std=np.ones(8),
        skewness=rng.normal(size=8),
        kurtosis=np.ones(8),
        p_values={"mean": 0.3, "variance": 0.2},
        p_value=0.4,
    )
    tests = latents.HorizonTests(
        normality,
        smallest_step=0.01,
        repeated=0,
        largest_cosine=0.5,
        period_p_value=0.9,
    )
    return evaluate.Evaluation(
        lamp=tiny.lamp(),
        contenders={name: figures(i) for i, name in enumerate(NAMES)},
        runs=(("20 steps",),),
        durability=latents.Durability(
            horizons={"20 steps": tests},
            one_lamp=Untested("a lamp keeps its norm"),
            motion=latents.LatentMotion(math.inf, 0.0625),
        ),
        films={name: film(i) for i, name in enumerate([evaluate.FILM, *NAMES])},
    )
