import subprocess
import sys

import pytest

import duralava
from duralava.simulation import LampConfig

SLOW = ("jax", "numpy", "orbax", "tensorflow_datasets", "grain", "flax")


def test_the_import_is_light_and_names_what_is_public():
    code = f"""
import sys, duralava
loaded = [name for name in {SLOW} if name in sys.modules]
assert not loaded, loaded
assert set(duralava.__all__) <= set(dir(duralava))
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loading_a_lamp_needs_no_package_of_training():
    code = """
import sys, duralava
next(duralava.load().film())
train = ("tensorflow_datasets", "grain", "array_record", "matplotlib", "tensorboardX",
         "optax", "orbax")
loaded = [name for name in train if name in sys.modules]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", duralava.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(duralava, name)
    assert name == "__version__" or value.__doc__


def test_another_name_is_an_error():
    with pytest.raises(AttributeError, match="no attribute 'paint'"):
        duralava.paint  # noqa: B018


def test_render_writes_as_many_frames_as_it_returns(tmp_path):
    lamp = duralava.load()
    count = duralava.render(
        lamp, tmp_path / "lamps", seconds=0.1, fps=30, rows=1, columns=2
    )
    assert count == len(list((tmp_path / "lamps").glob("*.png"))) == 3


def test_render_checks_its_output_first(tmp_path):
    with pytest.raises(ValueError, match=r"unknown suffix '\.bmp'"):
        duralava.render(duralava.load(), tmp_path / "lamp.bmp", seconds=1e9)


def test_simulate_gives_the_film_of_its_length():
    small = LampConfig(columns=12, rows=24, warm_up_seconds=0.0)
    frames = list(duralava.simulate(0.1, size=32, seed=3, config=small))
    assert len(frames) == 3
    assert frames[0].shape == (32, 32, 3)
    with pytest.raises(ValueError, match="seconds must be at least a frame"):
        duralava.simulate(0.0)
