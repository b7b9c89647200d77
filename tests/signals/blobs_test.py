import dataclasses

import numpy as np
import pytest
from balls import balls

from duralava.signals import blobs


def _meeting(gaps):
    """Two balls, one above the other, with `gaps` from centre to centre."""
    return np.stack(
        [balls([(6, 24 - gap / 2, 12), (6, 24 + gap / 2, 12)]) for gap in gaps]
    )


def test_blobs_are_counted_and_measured():
    wax = np.zeros((2, 6, 12, 10))
    wax[0, 0, 1:9, 2:4] = 1  # a column
    wax[0, 0, 10, 9] = 1  # spray
    wax[0, 2, 1:3, 2:8] = 0.6  # behind the column, with a layer between
    wax[0, 3:6, 3:5, 8:10] = 1  # touches that at an edge only, and is deep
    wax[1, 1] = 0.4
    found = blobs.find_blobs(wax, min_cells=2)
    np.testing.assert_array_equal(found.counts(), [3, 0])
    np.testing.assert_array_equal(found.moment, [0, 0, 0])
    np.testing.assert_array_equal(found.cells, [16, 12, 12])
    np.testing.assert_allclose(found.row, [4.5, 1.5, 3.5])
    np.testing.assert_array_equal(found.height, [8, 2, 2])
    np.testing.assert_array_equal(found.width, [2, 6, 3])
    # The column hides part of what is behind it.
    front = blobs.find_blobs(wax.max(axis=1, keepdims=True), min_cells=2)
    np.testing.assert_array_equal(front.counts(), [2, 0])
    # One more layer joins them.
    wax[0, 1, 1, 2] = 1
    found = blobs.find_blobs(wax, min_cells=2)
    np.testing.assert_array_equal(found.cells, [29, 12])


@pytest.mark.parametrize("ends", [(39,), (1, 2, 17, 39), (10, 39)])
def test_joined_parts_have_the_blobs_of_the_whole_film(ends):
    wax = np.random.default_rng(0).random((40, 3, 8, 10))
    wax[20:25] = 0
    whole = blobs.find_blobs(wax, 2)
    starts = (0, *ends[:-1])
    joined = blobs.join_blobs(
        [
            blobs.find_blobs(wax[start : end + 1], 2)
            for start, end in zip(starts, ends, strict=True)
        ]
    )
    assert len(whole.links) > 100
    for field in dataclasses.fields(whole):
        np.testing.assert_array_equal(
            getattr(joined, field.name), getattr(whole, field.name)
        )


def test_blobs_of_different_fields_touch_without_being_one():
    one, two = (balls([(6, y, 12)]) for y in (20, 27.5))
    apart = np.stack([one, two])[None]
    together = np.stack([np.maximum(one, two), np.zeros_like(one)])[None]
    found = blobs.find_blobs(apart, 2)
    np.testing.assert_array_equal(found.counts(), [2])
    assert blobs.find_blobs(together, 2).counts() == [1]
    assert found.cells.sum() == np.count_nonzero(together)
    # A blob that changes its field is the same blob.
    film = np.concatenate([apart, apart[:, ::-1]])
    assert _events(film) == [[], []]


def _events(wax, **options):
    found = blobs.find_blobs(wax, min_cells=5)
    return [times.tolist() for times in blobs.splits_and_merges(found, **options)]


def test_two_balls_merge_once_and_split_once():
    gaps = 1 + 2 * np.abs(np.arange(-10, 11))
    wax = _meeting(gaps)
    together = np.flatnonzero(gaps < 8)  # two radii of 4
    assert _events(wax) == [[together[-1] + 1], [together[0]]]
    # Along each axis.
    assert _events(wax.swapaxes(1, 2)) == _events(wax.swapaxes(2, 3)) == _events(wax)


def test_balls_that_touch_in_different_fields_merge_when_they_share_one():
    gaps = [12, 10, 8, 7, 6, 6, 7, 8, 10, 12]
    one = np.stack([balls([(6, 24 - gap / 2, 12)]) for gap in gaps])
    # Where they would overlap, each keeps its half.
    one[:, :, 24:] = 0
    two = one[:, :, ::-1]
    none = np.zeros_like(one)
    apart = np.stack([one, two], axis=1)
    together = np.stack([one + two, none], axis=1)
    assert _events(apart) == [[], []]
    assert _events(together) == [[8], [2]]
    # They touch from moment 2 on, and share a field from moment 4 on.
    merged = np.concatenate([apart[:4], together[4:]])
    assert _events(merged) == [[8], [4]]
    # A blob that pinches off is moved to another field, and is still near.
    pinched = np.concatenate([together[3:6], apart[6:]])
    assert _events(pinched) == [[3], []]


def test_balls_that_pass_behind_each_other_do_not_merge():
    rows = np.arange(6, 43)
    wax = np.stack([balls([(3, y, 12), (9, 48 - y, 12)], 2.5) for y in rows])
    assert _events(wax) == [[], []]
    assert [len(times) for times in _events(wax.max(axis=1, keepdims=True))] == [1, 1]


def test_a_ball_in_the_place_of_another_is_no_merge():
    wax = np.stack(
        [balls([(6, 10 + 2 * t, 12), (6, 19 + 2 * t, 12)], 4.2) for t in range(9)]
    )
    found = blobs.find_blobs(wax, min_cells=5)
    # Each touches the place where the other one was.
    assert len(found.links) == 3 * 8
    assert _events(wax) == [[], []]


def test_a_ball_that_vanishes_beside_another_has_not_merged():
    gone = np.stack([balls([(6, 15, 12), (6, 24, 12)]), balls([(6, 22, 12)])])
    found = blobs.find_blobs(gone, min_cells=5)
    assert len(found.links) == 2
    assert _events(gone) == [[], []]
    assert _events(gone[::-1]) == [[], []]


def test_a_neck_that_opens_and_closes_is_no_event():
    gaps = [12] * 10 + [7, 9] * 5 + [7] * 10
    wax = _meeting(gaps)
    assert [len(times) for times in _events(wax)] == [5, 6]
    # Only before they first touch have the balls been apart for long.
    assert _events(wax, min_moments=5) == [[], [10]]
    assert _events(wax[::-1], min_moments=5) == [[20], []]
    # How long they were apart before the film began is unknown.
    early = _meeting([12] * 2 + [7] * 10)
    assert _events(early, min_moments=5) == [[], [2]]
    assert _events(early[::-1], min_moments=5) == [[10], []]


def test_spray_is_no_event():
    wax = _meeting([12] * 8)
    wax[2:4, 6, 30, 12] = 1
    wax[5, 2, 2, 2] = 1
    assert _events(wax) == [[], []]
