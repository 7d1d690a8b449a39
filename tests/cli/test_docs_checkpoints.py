"""The commands of the page "My checkpoint" print what the page says; its messages are those of the code."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from fenlei.cli.convert import convert

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "docs" / name for name in ("checkpoints.md", "checkpoints.zh-CN.md")]
RUNS = [
    (page.name, *block.split("\n", 1))
    for page in PAGES
    for block in re.findall(r"```console\n\$ fenlei convert (.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
]


@pytest.mark.parametrize(("page", "arguments", "output"), RUNS)
def test_a_command_prints_what_the_page_says(tmp_path, monkeypatch, capsys, page, arguments, output):
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    app = typer.Typer(add_completion=False)
    app.command()(convert)
    app(shlex.split(arguments), standalone_mode=False)
    assert capsys.readouterr().out == output


def test_both_pages_show_each_family():
    assert len(RUNS) == 8


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_messages_and_options_of_the_page_are_those_of_the_code(page):
    text = page.read_text(encoding="utf-8")
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "src" / "fenlei").rglob("*.py"))
    code = re.sub(r'"\s*\n\s*f?"', "", code)
    for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        for message in re.findall(r"`(.+?)`", row):
            for part in re.split(r"…|\.data-|'preln'|is an? (?=Git|web)", message):
                assert part.strip(" .") in code, message
    command = (ROOT / "src" / "fenlei" / "cli" / "convert.py").read_text(encoding="utf-8")
    for option in set(re.findall(r"(?<!\w)--[a-z-]+[a-z]", text)) - {"--encoder", "--out", "--json"}:
        assert option.removeprefix("--").replace("-", "_") in command, option
