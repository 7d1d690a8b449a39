"""The pages on `fenlei clean` tell what it does: kinds, columns, files, measured figures, and options that exist."""

import re
from pathlib import Path
from typing import get_args

import pytest

from fenlei.clean import suspect_files
from fenlei.clean.suspects import Kind
from fenlei.judge.label_errors import DEFAULTS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [DOCS / "clean.md", DOCS / "clean.zh-CN.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_kind_column_and_file_is_told(page):
    text = page.read_text(encoding="utf-8")
    first_cells = set(re.findall(r"^\| `([a-z_.]+)` \|", text, re.MULTILINE))
    files = {"suspects.xlsx", "suspects.csv", "label_studio.json", "label_studio.xml", "doccano.jsonl", "clean.json"}
    assert first_cells == {*get_args(Kind), *suspect_files._COLUMNS, *files}
    assert f"`{suspect_files.ID}`" in text
    assert "fenlei[clean]" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_of_its_own_is_told(page):
    """That those told exist is tested with the other pages."""
    text = page.read_text(encoding="utf-8")
    for option in ("--corrections", "--new-labels", "--bundle", "--folds", "--most", "--no-near", "--json"):
        assert option in text, option


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_figures_are_those_of_the_benchmark(page):
    text, measured = (path.read_text("utf-8") for path in (page, DOCS.parent / "benchmarks" / "label_errors.md"))
    for method in DEFAULTS.values():
        assert f"`{method}`" in text
        assert f"**{method}**" in measured
    figures = set(re.findall(r"0\.\d{3}", text))
    assert len(figures) > 8
    assert figures <= set(re.findall(r"0\.\d{3}", measured))


def test_both_languages_tell_the_same_figures_and_commands():
    figures = [set(re.findall(r"0\.\d{3}|--[a-z-]+", page.read_text("utf-8"))) for page in PAGES]
    assert figures[0] == figures[1]
