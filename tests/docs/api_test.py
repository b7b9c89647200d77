import ast
import inspect
import pathlib
import re

import duralava

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "api.md"


def examples(language):
    """Returns the code blocks of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.M | re.S)


def test_examples_print_what_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for example in examples("python"):
        exec(example, names)
        expected = re.findall(r"^print\(.*\)  # (.+)$", example, re.M)
        assert capsys.readouterr().out.splitlines() == expected


def test_examples_that_are_not_run_call_what_exists():
    (example,) = examples("python slow")
    tree = ast.parse(example)
    calls = [
        call
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("duralava.")
    ]
    assert calls
    for call in calls:
        function = getattr(duralava, call.func.attr)
        keywords = {keyword.arg: None for keyword in call.keywords}
        inspect.signature(function).bind(*call.args, **keywords)


def test_every_public_name_is_shown():
    text = PAGE.read_text()
    missing = [name for name in duralava.__all__ if not re.search(rf"\b{name}\b", text)]
    assert missing == []
