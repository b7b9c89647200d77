import os
import pathlib
import subprocess
import sys

import pytest
from PIL import Image

import duralava as package
from duralava import commands, configs

ROOT = pathlib.Path(__file__).parents[2]
CONFIGS = [
    "lava_lamp",
    "lava_lamp_64",
    "original_64",
    "simulated",
    "simulated_64",
    "simulated_64_mlp",
]


def duralava(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "duralava", *arguments],
        capture_output=True,
        text=True,
        **options,
    )


def away_from_the_clone():
    return {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An environment into which pip has installed the wheel, away from the clone."""
    folder = tmp_path_factory.mktemp("installed")
    python = folder / "environment/bin/python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    for command in (
        ["git", "clone", "--quiet", ROOT, folder / "source"],
        [*pip, "wheel", "--no-deps", "--wheel-dir", folder, folder / "source"],
        [sys.executable, "-m", "venv", "--without-pip", folder / "environment"],
    ):
        # pip may need the network to build.
        subprocess.run(
            command, check=True, capture_output=True, env=away_from_the_clone()
        )
    (wheel,) = folder.glob("*.whl")
    subprocess.run(
        [*pip, "--python", python, "install", "--no-deps", "--ignore-installed", wheel],
        check=True,
    )
    # What it depends on is installed here already.
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (site,) = folder.glob("environment/lib/*/site-packages")
    (site / "libraries.pth").write_text("\n".join(libraries))
    return folder / "environment"


def test_pip_install_alone_gives_a_lamp(installed, tmp_path):
    def run(*command):
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=away_from_the_clone(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]

    told = run(installed / "bin/duralava", "render", "--num_frames=3")
    assert told == "wrote 3 frames at 30 fps: out.png"
    with Image.open(tmp_path / "out.png") as picture:
        assert (picture.size, picture.n_frames) == ((512, 512), 3)
    # And the configs of the trainings, by their names.
    code = (
        "import duralava; from duralava import configs; "
        "print(duralava.__file__, *configs.names(), configs.path('original_64'))"
    )
    where, *names, path = run(installed / "bin/python", "-c", code).split()
    assert where.startswith(str(installed))
    assert names == CONFIGS
    assert pathlib.Path(path).resolve().is_relative_to(installed)
    expected = (ROOT / "duralava/configs/original_64.py").read_text()
    assert pathlib.Path(path).read_text() == expected


TRAINING = (
    "array_record",
    "grain",
    "matplotlib",
    "optax",
    "orbax",
    "tensorboardX",
    "tensorflow_datasets",
)


@pytest.fixture(scope="module")
def without_extras(tmp_path_factory):
    """The environment of an installation without the extra `train`."""
    folder = tmp_path_factory.mktemp("light")
    for libraries in (pathlib.Path(p) for p in sys.path if p.endswith("site-packages")):
        for path in libraries.iterdir():
            link = folder / path.name
            left_out = path.name.startswith(TRAINING) or path.suffix == ".pth"
            if not left_out and not link.exists():
                link.symlink_to(path)
    return os.environ | {"PYTHONPATH": f"{folder}:{ROOT}"}


def without_site(*arguments, env, cwd):
    return subprocess.run(
        [sys.executable, "-S", "-m", "duralava", *arguments],
        capture_output=True,
        text=True,
        env=env,
        cwd=cwd,
    )


def test_rendering_needs_no_extra(without_extras, tmp_path):
    done = without_site("render", "--num_frames=2", env=without_extras, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--config=simulated_64", "--workdir=w"),
        ("learn", "--source=film.mp4", "--workdir=w"),
        ("evaluate", "--dataset=film.mp4"),
        ("prepare",),
        ("benchmark",),
        ("simulate", "--report=r"),
    ],
)
def test_a_missing_extra_is_one_line_that_names_it(without_extras, tmp_path, arguments):
    done = without_site(*arguments, env=without_extras, cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: this needs the package ")
    assert line.endswith("pip install 'duralava[train]'")
    assert not list(tmp_path.iterdir())


def test_the_help_lists_every_command():
    done = duralava("--help")
    assert done.returncode == 0
    for name, command in commands.COMMANDS.items():
        assert f"{name}  " in done.stdout
        assert command.does in done.stdout
    alone = duralava()
    assert alone.returncode == 1
    assert alone.stderr == done.stdout


def test_an_unknown_command_is_one_line():
    done = duralava("fly")
    assert done.returncode == 1
    assert done.stderr.startswith("error: no command 'fly'; there are render, live,")
    assert len(done.stderr.splitlines()) == 1


FILES = {"prepare": "tools/prepare_dataset.py", "train": "experiments/train.py"}


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_a_file_of_a_clone_is_the_command_with_readable_help(name):
    file = ROOT / FILES.get(name, f"tools/{name}.py")
    done = subprocess.run(
        [sys.executable, file, "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.endswith(".")
    assert any(line.startswith(f"duralava {name}") for line in rest)
    assert any(line.startswith("  --") for line in rest)
    assert max(map(len, rest)) <= 88


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_an_error_in_a_flag_comes_before_slow_imports(name):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "duralava", name, "--colour=red"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    *lines, last = done.stderr.splitlines()
    assert last.startswith("error: ") and "colour" in last
    imported = {line.rpartition("|")[2].strip() for line in lines}
    assert "absl" in imported
    assert not imported & {"PIL", "aiohttp", "asyncio", "av", "jax", "numpy", "scipy"}


def test_the_help_lists_flags_with_their_defaults():
    done = duralava("render", "--help")
    assert "\n  --seconds=14.0\n      Length of the film" in done.stdout
    assert "\n  --[no]loop (off)\n" in done.stdout


def test_a_config_is_found_by_its_name_or_as_a_file():
    path = ROOT / "duralava/configs/simulated_64.py"
    assert configs.names() == CONFIGS
    assert configs.path("simulated_64") == str(path)
    assert configs.path(str(path)) == str(path)
    with pytest.raises(ValueError, match="no config 'nothing': neither a file"):
        configs.path("nothing")


@pytest.mark.parametrize("command", [[], ["live"], ["train"]])
def test_the_version_is_that_of_the_package(command):
    done = duralava(*command, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"duralava {package.__version__}\n"


@pytest.mark.parametrize(
    "command", ["render", "export", "evaluate", "simulate", "benchmark"]
)
def test_the_help_shows_short_names(command):
    assert "\n  -o, --output=" in duralava(command, "--help").stdout


def test_a_config_that_is_not_there_is_one_line(tmp_path):
    done = duralava("train", "--config=nothing", f"--workdir={tmp_path}/run")
    assert done.returncode == 1
    assert "nothing" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        (
            "--config.training.num_step=3",
            "--config.training.num_step: the config has no num_step; did you mean "
            "num_steps?",
        ),
        (
            "--config.trainin.num_steps=3",
            "--config.trainin.num_steps: the config has no trainin; did you mean "
            "training?",
        ),
        ("--config.data.xyz=3", "--config.data.xyz: the config has no xyz"),
        (
            "--config.then[0].data.fps=3",
            "a --config.KEY names no value of the config: tuple index out of range",
        ),
    ],
)
def test_a_typo_in_an_override_is_one_sentence(tmp_path, flag, says):
    done = duralava("train", "--config=lava_lamp", flag, f"--workdir={tmp_path}/run")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {says}\n"
    assert not list(tmp_path.iterdir())
