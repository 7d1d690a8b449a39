"""docs/recipes names what there is, and every recipe as it is."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from fenlei.model.losses import LOSS_NAMES
from fenlei.train.config import TrainSettings
from fenlei.train.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[2]


def tables(text):
    """The rows of each table, its heading left out: the cells of a row."""
    found = re.findall(r"^\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[[cell.strip() for cell in row.strip("|").split(" | ")] for row in one.splitlines()] for one in found]


@pytest.mark.parametrize("page", ["recipes.md", "recipes.zh-CN.md"])
def test_the_page_says_what_there_is(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    recipes, multilabel, multiclass, others = tables(text)
    for (name, flags, _), (recipe, settings) in zip(recipes, [("balanced", {}), *OTHER_RECIPES], strict=True):
        assert name.startswith(f"`{recipe}`")
        told = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in settings.items())
        assert flags == f"`{told}`" if told else "`" not in flags
    for rows, task in ((multilabel, "multilabel"), (multiclass, "multiclass")):
        told = [re.match("`([^`]+)`", name)[1] for name, *_ in rows]
        assert sorted(told) == sorted(LOSS_NAMES[task])
        assert told[0] == LOSS_NAMES[task][0]
    known = {field.name: field for field in fields(TrainSettings)}
    for flag, *_ in others:
        name, value = re.fullmatch(r"`--([a-z-]+) (\S+)`", flag).groups()
        assert name.replace("-", "_") in known
        TrainSettings(**{name.replace("-", "_"): type_of(value)})


OTHER_RECIPES = [(name, settings) for name, settings in RECIPES.items() if settings]


def type_of(value):
    for kind in (int, float, str):
        try:
            return kind(value)
        except ValueError:
            pass
    raise AssertionError(value)
