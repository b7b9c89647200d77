import os
import pathlib
import subprocess
import sys

import pytest
from PIL import Image

from duralava import commands
from duralava.commands import recipes

ROOT = pathlib.Path(__file__).parents[2]
CONFIGS = ["lava_lamp_64", "original_64", "simulated_64", "simulated_64_adversary"]


def duralava(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "duralava", *arguments],
        capture_output=True,
        text=True,
        **options,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel in a folder of its own, as pip installs it, and away from the clone."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    source = folder / "source"
    subprocess.run(
        ["git", "clone", "--quiet", ROOT, source], check=True, capture_output=True
    )
    for arguments in (
        ["wheel", "--no-deps", "--wheel-dir", folder / "wheel", source],
        ["install", "--no-deps", "--target", folder / "site", "duralava"],
    ):
        find = ["--no-index", "--find-links", folder / "wheel"]
        subprocess.run(
            [*pip, *arguments, *(find if arguments[0] == "install" else [])], check=True
        )
    return folder / "site"


def test_pip_install_alone_gives_a_lamp(installed, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(installed), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [installed / "bin" / "duralava", "render", "--num_frames=3"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "wrote 3 frames at 30 fps: out.png"
    with Image.open(tmp_path / "out.png") as picture:
        assert (picture.size, picture.n_frames) == ((64, 64), 3)
    # And the configs of the trainings, by their names.
    code = (
        "import duralava; from duralava.commands import recipes; "
        "print(duralava.__file__, *recipes.names(), recipes.path('original_64'))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    where, *names, path = told.stdout.split()
    assert where.startswith(str(installed))
    assert names == CONFIGS
    expected = (ROOT / "experiments/configs/original_64.py").read_text()
    assert path.startswith(str(installed))
    assert pathlib.Path(path).read_text() == expected


def test_every_command_is_told_of():
    done = duralava("--help")
    assert done.returncode == 0
    for name, what in commands.COMMANDS.items():
        assert f"{name}  " in done.stdout
        assert what in done.stdout
    alone = duralava()
    assert alone.returncode == 1
    assert alone.stderr == done.stdout


def test_an_unknown_command_is_one_line():
    done = duralava("fly")
    assert done.returncode == 1
    assert done.stderr.startswith("error: no command 'fly'; there are render, live,")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_help_is_for_a_person(name):
    done = duralava(name, "--help")
    assert done.returncode == 0, done.stderr
    first, *_ = done.stdout.splitlines()
    assert first.endswith(".")
    assert f"duralava {name}" in done.stdout
    assert "\n  --" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 88


def test_flags_are_told_with_what_they_are():
    done = duralava("render", "--help")
    assert "\n  --seconds=30.0\n      Length of the film" in done.stdout
    assert "\n  --[no]loop (off)\n" in done.stdout


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (f"tools/{name}.py", name)
        for name in commands.COMMANDS
        if name not in ("prepare", "train")
    ]
    + [("tools/prepare_dataset.py", "prepare"), ("experiments/train.py", "train")],
)
def test_a_clone_s_file_is_the_command(file, name):
    assert (
        duralava(name, "--help").stdout
        == subprocess.run(
            [sys.executable, ROOT / file, "--help"], capture_output=True, text=True
        ).stdout
    )


def test_a_config_goes_by_its_name():
    path = ROOT / "experiments/configs/simulated_64.py"
    assert recipes.names() == CONFIGS
    assert recipes.path("simulated_64") == path
    arguments = ["--config=simulated_64", "--config.training.seed=1", "--workdir=w"]
    assert recipes.with_paths(arguments) == [f"--config={path}", *arguments[1:]]
    # What is a file, or is not known, stays as it is.
    for argument in (f"--config={path}", "--config=nothing", "--config"):
        assert recipes.with_paths([argument]) == [argument]
    with pytest.raises(ValueError, match="no config 'nothing': neither a file"):
        recipes.path("nothing")


def test_a_config_that_is_not_there_is_one_line(tmp_path):
    done = duralava("train", "--config=nothing", f"--workdir={tmp_path}/run")
    assert done.returncode == 1
    assert "nothing" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
