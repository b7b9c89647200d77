import dataclasses

import numpy as np
import pytest

from duralava.evaluation import ladder
from duralava.evaluation.distances import Estimate, Untested
from duralava.evaluation.ladder import RUNGS
from duralava.evaluation.reference import make_reference
from duralava.evaluation.samples import Sample, SampleSize, cut_sample

pytestmark = pytest.mark.usefixtures("quick_compilation")

SIZE = SampleSize(num_clips=40, clip_length=4, film_length=20)
LEFT_OUT = {"stills at 64 pixels", "clips at 64 pixels"}  # of film of 32 pixels


@pytest.fixture(scope="module")
def films(film_discs):
    return [film_discs(seed, num_segments=2, num_frames=200) for seed in (0, 1)]


def windows_of(film):
    return [segment[:, 8:24, 8:24] for segment in film]


def climbed(films, windows=None):
    reference = make_reference(
        films[0],
        films[1],
        size=SIZE,
        stride=2,
        step_seconds=0.2,
        mirrored=False,
        extractors={},
        windows=windows,
    )
    return ladder.climb(reference)


def test_each_rung_has_a_result_or_a_reason(films):
    climb = climbed(films)
    found = climb(cut_sample(films[0], SIZE, stride=2))
    for form in dataclasses.astuple(found):
        assert set(form) == set(RUNGS)
    for form in (found.eye, found.exact):
        missing = {name for name, auc in form.items() if isinstance(auc, Untested)}
        assert missing == LEFT_OUT | {ladder.WINDOWS}
        assert "windows of pictures of 256" in form[ladder.WINDOWS].untested
        assert "32 pixels do not shrink to 64" in form["stills at 64 pixels"].untested
        assert 0 <= form["stills at 16 pixels"].value <= 1


def test_windows_are_tested_if_film_and_sample_have_them(films, monkeypatch):
    monkeypatch.setattr(ladder, "RUNGS", {ladder.WINDOWS: RUNGS[ladder.WINDOWS]})
    real = windows_of(films[1])
    sample = cut_sample(films[0], SIZE, stride=2, windows=windows_of(films[0]))
    found = climbed(films, real)(sample)
    assert 0 <= found.eye[ladder.WINDOWS].value <= 1
    assert isinstance(found.exact[ladder.WINDOWS], Estimate)
    for climb, other in (
        (climbed(films, real), sample._replace(windows=None)),
        (climbed(films), sample),
    ):
        assert climb(other).eye[ladder.WINDOWS] == ladder.NO_WINDOWS


def test_dark_pictures_are_told_from_film_on_each_rung(films):
    real = cut_sample(films[0], SIZE, stride=2)
    found = climbed(films)(Sample(real.clips // 2, real.film))
    for form in (found.eye, found.exact):
        values = [auc.value for auc in form.values() if isinstance(auc, Estimate)]
        assert len(values) == 2 and min(values) > 0.95


def test_a_pixel_of_a_shrunk_picture_is_the_mean_of_its_pixels():
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (2, 3, 8, 8, 3), np.uint8)
    found = ladder.shrink(clips, 2)
    assert found.shape == (2, 3, 2, 2, 3) and found.dtype == np.uint8
    expected = clips[1, 2, 4:, :4].mean(axis=(0, 1))
    np.testing.assert_allclose(found[1, 2, 1, 0], expected, atol=0.5)
    assert ladder.shrink(clips, 8) is clips
    assert isinstance(ladder.shrink(clips, 3), Untested)
