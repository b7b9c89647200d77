import numpy as np
import pytest

from duralava.evaluation.novelty import nearest_distances


@pytest.fixture
def film():
    return np.random.default_rng(0).integers(0, 256, (1500, 4, 4, 3), np.uint8)


def test_it_is_the_smallest_root_mean_square(film):
    frames = np.random.default_rng(1).integers(0, 256, (5, 4, 4, 3), np.uint8)
    scaled = [f.astype(np.float64).reshape(len(f), -1) / 127.5 for f in (frames, film)]
    differences = scaled[0][:, None] - scaled[1]
    expected = np.sqrt(np.square(differences).mean(axis=-1)).min(axis=1)
    np.testing.assert_allclose(nearest_distances(frames, film), expected, rtol=1e-4)


def test_a_frame_of_the_film_is_not_new(film):
    np.testing.assert_allclose(nearest_distances(film[1400:1403], film), 0, atol=2e-3)


def test_a_mirror_image_is_not_new_if_it_was_learned(film):
    mirrored = film[7:9, :, ::-1]
    assert nearest_distances(mirrored, film).min() > 0.1
    distances = nearest_distances(mirrored, film, mirrored=True)
    np.testing.assert_allclose(distances, 0, atol=2e-3)
