"""docs/report explains every section and every figure of the page, with the page's own formula."""

import re
from pathlib import Path

import pytest

from fenlei.judge.figures import FIGURE_NAMES
from fenlei.page.formulas import FORMULAS
from fenlei.page.render import MOST_CHARACTERS, MOST_ERRORS
from fenlei.page.words import WORDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"zh": ROOT / "docs" / "report.zh-CN.md", "en": ROOT / "docs" / "report.md"}
MISLEADS = {"zh": "**什么时候会骗人**", "en": "**Misleads**"}


def sections_of(page):
    """The sections of the page in their order, as the browser gets them."""
    return re.findall(r'<section id="([^"]+)">', page)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_section_and_every_figure_is_explained(page, language):
    text = PAGES[language].read_text(encoding="utf-8")
    place = ("zh", "en").index(language)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [WORDS[one][place] for one in sections_of(page)]
    told = dict(re.findall(r"^### ([^\n]*)\n\n(.*?)(?=\n##|\Z)", text, re.MULTILINE | re.DOTALL))
    names = [one.chinese_name if language == "zh" else one.name for one in FORMULAS.values()]
    assert sorted(told) == sorted(names)
    for formula in FORMULAS.values():
        own = told[formula.chinese_name if language == "zh" else formula.name]
        assert f"`{formula.formula}`" in own
        assert MISLEADS[language] in own, formula.name
    assert f"{MOST_ERRORS:,}" in text
    assert str(MOST_CHARACTERS) in text


def test_every_figure_of_a_report_has_a_formula():
    assert set(FIGURE_NAMES.values()) <= set(FORMULAS)


@pytest.mark.parametrize(
    ("readme", "page"), [("README.md", "docs/report.md"), ("README.zh-CN.md", "docs/report.zh-CN.md")]
)
def test_the_readmes_link_to_it(readme, page):
    assert f"({page})" in (ROOT / readme).read_text(encoding="utf-8")
