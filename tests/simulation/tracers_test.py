import numpy as np
import pytest
from balls import SHAPE, balls

from duralava.simulation import tracers


def _steady(number, velocity):
    """A flow of N moments that is the same everywhere, (w, v, u) on faces."""
    shapes = SHAPE + np.eye(3, dtype=int)
    return [np.full((number, *s), u) for s, u in zip(shapes, velocity, strict=True)]


def test_a_ball_that_rises_at_a_known_speed():
    # 0.5 cells a moment for 80 moments, from row 4 to row 44 of 48.
    wax = np.stack([balls([(6, 4 + t / 2, 12)]) for t in range(81)])
    rng = np.random.default_rng(0)
    places = tracers.place_tracers(wax[0], 50, rng)
    assert np.linalg.norm(places - [6, 4, 12], axis=1).max() < 4 + 1
    end, heights = tracers.follow_tracers(
        places, wax, _steady(81, (0, 0.25, 0)), cells_per_moment=2.0, rng=rng
    )
    assert heights.shape == (80, 50)
    times = tracers.ascent_times(heights)
    # 48 rows at 0.5 cells a moment.
    assert len(times) >= 40
    assert times.mean() == pytest.approx(96, abs=1.5)
    kept = ~np.isnan(heights).any(axis=0)
    assert kept.sum() >= 40
    np.testing.assert_allclose((end - places)[kept], [[0, 40, 0]] * kept.sum())


@pytest.mark.parametrize("axes", [(1, 2), (0, 1), (0, 2)])
def test_tracers_go_round_with_a_vortex(axes):
    # psi = sin(pi a) sin(pi b) on corners: a tracer stays on its stream line.
    size, many = 16, 60
    a, b = axes
    wave = np.sin(np.pi * np.linspace(0, 1, size + 1))
    stream = np.outer(wave, wave) * size
    flow = [np.zeros((size,) * 3 + np.eye(3, dtype=int)[axis]) for axis in range(3)]
    other = 3 - a - b
    flow[a] = flow[a] + np.expand_dims(np.diff(stream, axis=1), other)
    flow[b] = flow[b] - np.expand_dims(np.diff(stream, axis=0), other)
    flow = [np.tile(u, (many, 1, 1, 1)) for u in flow]
    wax = np.ones((many, size, size, size))
    places = np.full((3, 3), size / 2)
    places[:, b] = 4, 6, 7
    options = {"cells_per_moment": 0.03 * size, "rng": np.random.default_rng(0)}
    end, heights = tracers.follow_tracers(places, wax, flow, **options)

    def on_stream(places):
        return np.prod(np.sin(np.pi * places[:, axes] / size), axis=1)

    np.testing.assert_allclose(on_stream(end), on_stream(places), atol=0.015)
    np.testing.assert_allclose(end[:, other], size / 2)
    assert np.abs(end - places).max() > 2
    if 1 in axes:  # It has gone round: to above the middle and back below it.
        assert heights[:, 0].max() > 0.7
        assert heights[:, 0].min() < 0.3
    # In two runs, the second from where the first ended: the same.
    first, last = [u[:31] for u in flow], [u[30:] for u in flow]
    middle, _ = tracers.follow_tracers(places, wax[:31], first, **options)
    again, _ = tracers.follow_tracers(middle, wax[30:], last, **options)
    np.testing.assert_allclose(again, end)


def test_tracers_follow_a_flow_that_grows():
    moments = np.arange(7.0)[:, None, None, None]
    flow = [u * moments for u in _steady(7, (0.1, 0.5, 0.25))]
    end, _ = tracers.follow_tracers(
        np.array([[5.0, 7.0, 9.0]]),
        np.ones((7, *SHAPE)),
        flow,
        cells_per_moment=1.0,
        rng=np.random.default_rng(0),
        substeps=1,
    )
    np.testing.assert_allclose(end, [[5 + 18 * 0.1, 7 + 18 * 0.5, 9 + 18 * 0.25]])


def test_tracers_that_leave_the_wax_are_placed_in_it_anew():
    wax = np.stack([balls([(6, 10, 12)])] * 30)
    rng = np.random.default_rng(0)
    places = tracers.place_tracers(wax[0], 20, rng)
    end, heights = tracers.follow_tracers(
        places, wax, _steady(30, (0, 1, 0)), cells_per_moment=1.0, rng=rng
    )
    assert np.isnan(heights).any(axis=0).all()
    assert np.nanmax(heights) < 16 / 48
    assert (wax[-1][tuple(end.astype(int).T)] == 1).all()


def test_ascents_are_from_the_last_exit_to_the_first_entry():
    wandering = [0.1, 0.3, 0.2, 0.4, 0.6, 0.5, 0.8, 0.7, 0.9, 0.1, 0.9]
    replaced = [0.1, 0.3, np.nan, 0.5, 0.6, 0.7, 0.8, 0.8, 0.8, 0.8, 0.8]
    times = tracers.ascent_times(np.array([wandering, replaced]).T)
    # Left at item 2 and arrived at item 6; then at once.
    np.testing.assert_array_equal(times, [2 * 3, 0])
    assert tracers.ascent_times(np.zeros((5, 2))).shape == (0,)
