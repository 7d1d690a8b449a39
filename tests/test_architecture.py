"""The house stays as it is drawn: import direction, a quick import, public names, the file map."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import fenlei

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "fenlei"

# In the order the data passes them; each may import from itself and from those above.
STAGES = [
    "errors",
    "atomic",
    "counted",
    "csv_text",
    "digests",
    "plain_table",
    "journal",
    "runtime",
    "text",
    "encoders",
    "model",
    "judge",
    "train",
    "manifest",
    "decided",
    "bundle",
    "predict",
    "study",
    "clean",
    "page",
    "cli",
    "__main__",
]

# Files longer than this need a reason here.
LONGEST = 300
LONGER_FOR_A_REASON: dict[str, str] = {}


def modules():
    return sorted(SOURCE.rglob("*.py"))


def name_of(path):
    return path.relative_to(SOURCE).as_posix()


def stage_of(module):
    return module.split(".")[1]


def imported_stages(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module]
            if node.module == "fenlei":
                names = [f"fenlei.{alias.name}" for alias in node.names]
            elif node.module and node.module.startswith("fenlei.") and node.module.count(".") == 1:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (stage_of(name) for name in names if name.startswith("fenlei."))


@pytest.mark.parametrize(
    "path", [path for path in modules() if path.parent != SOURCE or path.stem != "__init__"], ids=name_of
)
def test_imports_go_one_way(path):
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    allowed = STAGES[: STAGES.index(own) + 1]
    assert set(imported_stages(path)) <= set(allowed)


@pytest.mark.parametrize("path", [path for path in modules() if "judge" in path.parts], ids=name_of)
def test_the_judge_knows_no_model_and_no_device(path):
    text = path.read_text(encoding="utf-8")
    assert "import torch" not in text
    assert "transformers" not in text


@pytest.mark.parametrize("path", [path for path in modules() if "cli" not in path.parts], ids=name_of)
def test_only_the_command_line_prints_and_exits(path):
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"print", "exit", "quit"}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_files_have_one_job_and_say_which(path):
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    assert lines <= LONGEST or name_of(path) in LONGER_FOR_A_REASON
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring
    assert len(docstring) > 20


def test_importing_fenlei_is_quick_and_touches_nothing():
    code = (
        "import sys, os, logging, random, warnings; env = dict(os.environ); state = random.getstate(); "
        "filters = list(warnings.filters); import fenlei; "
        "heavy = {'torch', 'transformers', 'numpy', 'sklearn', 'polars', 'rich', 'typer'} & set(sys.modules); "
        "assert not heavy, heavy; assert env == dict(os.environ); assert state == random.getstate(); "
        "assert filters == list(warnings.filters); assert not logging.getLogger().handlers; "
        "assert len([m for m in sys.modules if m.startswith('fenlei')]) == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_are_there_documented_and_annotated():
    for name in set(fenlei.__all__) - {"__version__"}:
        value = getattr(fenlei, name)
        assert inspect.getdoc(value), name
        for member_name, member in vars(value).items() if inspect.isclass(value) else ():
            function = getattr(member, "__func__", member)
            if not member_name.startswith("_") and inspect.isfunction(function):
                assert inspect.getdoc(function), f"{name}.{member_name}"
                assert "return" in function.__annotations__, f"{name}.{member_name}"


def test_names_that_do_not_exist_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'Classifer'"):
        fenlei.Classifer  # noqa: B018


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_file_map_of_the_readme_is_true(readme):
    text = (ROOT / readme).read_text(encoding="utf-8")
    for path in modules():
        if path.stem != "__init__":
            assert f"{path.name}" in text, f"{readme} does not name {name_of(path)}"
    for line in text.splitlines():
        for word in line.split():
            if word.endswith(".py") and "/" not in word:
                assert list(SOURCE.rglob(word)), f"{readme} names {word}, which is not there"
