"""The docs tell what the code does: findings, suffixes, goals, and commands whose options exist."""

import re
from pathlib import Path
from typing import get_args

import pytest
import typer.main

from fenlei.cli import app
from fenlei.judge import thresholds
from fenlei.judge.calibration import Method
from fenlei.text import sources
from fenlei.text.cells import NO_LABEL

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "docs" / "data.md", ROOT / "docs" / "data.zh-CN.md"]


def options_of(command):
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


COMMANDS = {name: options_of(command) for name, command in typer.main.get_command(app).commands.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_finding_and_every_suffix_is_told(page):
    text = page.read_text(encoding="utf-8")
    source = ROOT / "src" / "fenlei"
    code = "".join(
        path.read_text(encoding="utf-8") for path in (source / "text" / "audit.py", source / "cli" / "check.py")
    )
    kinds = set(re.findall(r'Finding\(\s*"([a-z_]+)"', code)) - {"near_not_searched"}
    assert set(re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE)) == kinds
    for word in NO_LABEL - {""}:
        assert f"`{word}`" in text, word
    for suffix in {*sources._TEXTUAL, *sources._BINARY} - {".tab", ".ndjson"}:
        assert f"`{suffix}" in text, suffix


@pytest.mark.parametrize(
    "page",
    [path for path in [*(ROOT / "docs").glob("*.md"), *ROOT.glob("README*.md")] if "dependencies" not in path.name],
    ids=lambda page: page.name,
)
def test_commands_and_options_exist(page):
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^ *fenlei (\w+) ([^#\n]*)", text, re.MULTILINE)
    assert lines
    for command, arguments in lines:
        for option in re.findall(r"--[a-z-]+", arguments):
            assert option in COMMANDS[command], f"fenlei {command} {option}"
    every = set().union(*COMMANDS.values())
    for option in re.findall(r"`(--[a-z][a-z-]+)", text):
        assert option in every | {"--kills"}, option


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("decision*.md")), ids=lambda page: page.name)
def test_every_goal_scope_and_calibration_is_told(page):
    text = page.read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z][a-z0-9-]*)", text, re.MULTILINE))
    assert rows == {*get_args(thresholds.Measure), *get_args(thresholds.Scope), *get_args(Method)}
    assert f"n / (n + {thresholds.SHRINKAGE})" in text


def test_both_languages_show_the_same_code():
    pages = [(ROOT / "docs" / name).read_text("utf-8") for name in ("decision.md", "decision.zh-CN.md")]
    blocks = [re.findall(r"```python\n(.*?)```", page, re.DOTALL) for page in pages]
    assert blocks[0] == blocks[1]
