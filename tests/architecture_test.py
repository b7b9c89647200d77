import ast
import pathlib

import pytest

PACKAGE = pathlib.Path(__file__).parents[1] / "duralava"
# Each floor imports only from floors before it, and from itself.
FLOORS = [
    *("extras", "files", "tables", "trees", "draws", "checked"),
    *("compilation", "tracing", "command_line"),
    *("config", "configs", "signals", "models", "losses", "lamp"),
    *("themes", "simulation", "datasets", "checkpoints", "pretrained", "weights"),
    *("rendering", "evaluation", "training", "learning"),
    *("live", "export", "benchmarks", "api", "commands"),
]
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in PACKAGE.rglob("*.py")
}


def floor(module):
    return module.split(".")[0]


def imported(path):
    """The modules of the package that a file imports, at its top or later."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "duralava"
        ):
            base = node.module.removeprefix("duralava").removeprefix(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".removeprefix(".")
                yield inner if inner in MODULES else base or inner


def test_every_part_of_the_package_has_a_floor():
    parts = {floor(module) for module in MODULES} - {"__init__", "__main__"}
    assert parts == set(FLOORS)


@pytest.mark.parametrize("name", FLOORS)
def test_a_floor_imports_only_from_floors_before_it(name):
    before = set(FLOORS[: FLOORS.index(name) + 1])
    for module, path in MODULES.items():
        if floor(module) == name:
            assert {floor(found) for found in imported(path)} <= before, module


def test_no_module_imports_itself_through_others():
    graph = {
        module: {m for m in imported(path) if m in MODULES and m != module}
        for module, path in MODULES.items()
        if path.name != "__init__.py"  # which only gathers names
    }
    while leaves := {m for m, found in graph.items() if not found & set(graph)}:
        graph = {m: found for m, found in graph.items() if m not in leaves}
    assert not graph, f"a circle among {sorted(graph)}"


def test_only_the_models_import_flax_and_only_checkpoints_import_orbax():
    for module, path in MODULES.items():
        text = path.read_text()
        assert "import flax" not in text or floor(module) == "models", module
        assert "from orbax" not in text or module == "checkpoints", module
