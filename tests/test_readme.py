"""The READMEs tell the truth: their session runs, their commands and flags exist, both languages show the same."""

import doctest
import re
from pathlib import Path

import pytest
import typer

from fenlei.cli import app

ROOT = Path(__file__).resolve().parents[1]
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]


def blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_both_languages_show_the_same_session_and_output():
    assert blocks(READMES[0], "python") == blocks(READMES[1], "python")
    demos = [re.search(r"<!-- demo -->\n```\n(.*?)```", path.read_text("utf-8"), re.DOTALL)[1] for path in READMES]
    assert demos[0] == demos[1]


def test_the_session_gives_what_it_shows(starter_folder, tmp_path, monkeypatch):
    # The session runs from a fresh clone's root; what it writes must not land there.
    monkeypatch.setattr("fenlei.encoders.starter.starter_directory", lambda cache: starter_folder)
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest(blocks(READMES[0], "python")[0], {}, "README.md", "README.md", 0)
    assert len(test.examples) >= 6
    told = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    runner.run(test, out=told.append)
    assert runner.failures == 0, "".join(told)


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_commands_and_flags_exist(path):
    commands = typer.main.get_command(app).commands
    flags = {
        name: {word for option in command.params for word in [*option.opts, *option.secondary_opts]}
        for name, command in commands.items()
    }
    lines = [line for block in blocks(path, "") for line in block.splitlines() if line.startswith("fenlei ")]
    assert len(lines) >= 4
    for line in lines:
        words = line.split("#")[0].split()
        assert words[1] in flags, line
        for word in words[2:]:
            if word.startswith("--"):
                assert word in flags[words[1]], line
