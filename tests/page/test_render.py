"""What stands in the page, read as text."""

import base64
import hashlib
import importlib.util
import json
import re
import tomllib
from fnmatch import fnmatch
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from fenlei.judge.decision import Decision
from fenlei.judge.error_rows import ErrorRow
from fenlei.judge.evaluation import build_report
from fenlei.judge.notes import notes_of
from fenlei.page import chart_data, charts, sentences
from fenlei.page.formulas import FORMULAS
from fenlei.page.render import MOST_CHARACTERS, MOST_ERRORS, MOST_LABELS, language_of, report_page
from fenlei.page.words import WORDS

ROOT = Path(__file__).resolve().parents[2]
_SPEC = importlib.util.spec_from_file_location("page_conftest", Path(__file__).with_name("conftest.py"))
shared = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(shared)


class Reader(HTMLParser):
    """Elements with their attributes, and the text of the page without scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.text, self.scripts, self._inside = [], [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self._inside = tag
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside:
            self.scripts[-1] += data
        else:
            self.text.append(data)

    @property
    def words(self):
        return re.sub(r"\s+", " ", "".join(self.text))


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_strangers_words_are_escaped_everywhere(page):
    read = Reader(page)
    assert not [attributes for tag, attributes in read.elements if tag == "img"]
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    assert [tag for tag, _ in read.elements].count("script") == 3
    assert shared.EVIL in read.words  # as text: label, file name, command
    data = data_of(page)
    assert shared.EVIL in data["errors"][0][1] or data["errors"][0][1].endswith("…")
    json_text = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1]
    assert not set("<>&") & set(json_text)


def test_nothing_is_loaded_from_anywhere_and_only_known_scripts_run(page):
    read = Reader(page)
    for tag, attributes in read.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert attributes.get(name, "#").startswith("#") or attributes[name] == "data:,", (tag, attributes)
    styles = [text for text in read.scripts if text.lstrip().startswith(":root")]
    assert len(styles) == 1
    assert not re.search(r"url\(|@import|https?:", styles[0])
    policy = next(a["content"] for tag, a in read.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy
    assert "http" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = ["sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert re.findall(r"'(sha256-[^']+)'", policy) == hashes
    assert not any("<!--" in script or "\r" in script for script in scripts)


def test_the_figures_of_the_report_stand_in_it(page):
    report, errors = shared.judged()
    words = Reader(page).words
    for figure in [*report.figures.values(), *report.comparison.figures.values()]:
        assert f"{figure.value:.4f} [{figure.interval.low:.4f}, {figure.interval.high:.4f}]" in words
    for line in report.labels:
        assert line.label in words
    for note in notes_of(report):
        assert note.english in words
        assert note.chinese in words
    for both in (sentences.headline(report), sentences.against_baseline(report)):
        assert all(sentence in words for sentence in both)
    assert "sha256 " + "ab" * 32 in words
    assert "9f8e7d6c5b4a39281706f5e4d3c2b1a0" in words
    assert "fenlei evaluate 'runs/我的 模型'" in words
    shown = data_of(page)["errors"]
    assert [one[0] for one in shown] == [row.id for row in errors]
    first = errors[0]
    assert [label for label, _ in shown[0][3]] == [label for label, _ in first.missed]
    assert [label for label, _ in shown[0][4]] == [label for label, _ in first.wrong]
    assert set(shown[0][2]) == set(first.labels) & set(first.predicted)


def test_every_link_leads_somewhere_and_no_name_is_given_twice(page):
    read = Reader(page)
    names = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(names) == len(set(names))
    links = {attributes["href"][1:] for tag, attributes in read.elements if tag == "a"}
    assert links <= set(names)
    assert {f"formula-{one}" for one in ("micro-f1", "brier-score", "head-middle-tail")} <= links


def test_errors_labels_and_texts_beyond_the_bounds_are_left_out_and_counted():
    row = ErrorRow(
        id="1", text="长" * 400, labels=(), predicted=("体育",), missed=(), wrong=(("体育", 0.9),), confidence=0.8
    )
    report, _ = shared.judged()
    page = report_page(report, [row] * (MOST_ERRORS + 5), shared.origin())
    shown = data_of(page)["errors"]
    assert len(shown) == MOST_ERRORS
    assert shown[0][1] == "长" * MOST_CHARACTERS + "…"
    words = Reader(page).words
    assert "共 2,005 条错例，这里是前 2,000 条；全部在 errors.csv 里" in words
    assert "Of texts over 300 characters the beginning" in words

    truth = np.zeros((4, MOST_LABELS + 1), np.uint8)
    truth[:, 3] = 1
    many = [f"label {i}" for i in range(MOST_LABELS + 1)]
    wide = build_report(truth, truth.astype(float), Decision.default("multilabel"), many)
    words = Reader(report_page(wide, [], shared.origin(history=()))).words
    assert "These are the 1000 labels with the most rows; all are in report.csv." in words
    assert "There are no errors." in words
    assert "There are no confusions." in words
    assert "The bundle keeps no history of its training." in words
    assert "Not known: the bundle keeps no fingerprints of texts." in words


def test_the_language_is_that_of_the_labels_unless_named(page):
    report, errors = shared.judged()
    assert language_of(report) == "zh"
    assert '<html lang="zh-Hans" data-language="zh"' in page
    assert '<html lang="en" data-language="en"' in report_page(report, errors, shared.origin(), language="en")
    truth = np.eye(2, dtype=np.uint8)
    assert language_of(build_report(truth, truth.astype(float), Decision.default("multiclass"), ["a", "b"])) == "en"


def test_both_languages_say_everything():
    for key, both in WORDS.items():
        assert all(both), key
        assert key == "language" or not re.search("[\u4e00-\u9fff]", both[1]), key
    for formula in FORMULAS.values():
        assert re.search("[\u4e00-\u9fff]", formula.chinese)
        assert not re.search("[\u4e00-\u9fff]", formula.english)
    for note in notes_of(shared.judged()[0]):
        numbers = [re.findall(r"\d[\d,.]*\d|\d", text) for text in (note.english, note.chinese)]
        assert sorted(numbers[0]) == sorted(numbers[1]), note


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_charts_have_the_numbers_of_the_report(task):
    report, _ = shared.judged(task)
    history = shared.origin().history
    data = chart_data.chart_data(report, history, 2)
    main = "accuracy" if task == "multiclass" else "micro-F1"
    assert [row["value"] for row in data["figures"] if row["figure"] == main] == [
        report.main_figure.value,
        report.comparison.figures["accuracy" if task == "multiclass" else "micro_f1"].value,
    ]
    assert {row["label"]: row["f1"] for row in data["labels"]} == {
        line.label: line.f1 for line in report.labels if line.support
    }
    matrix = report.details.confusions.matrix.rows
    assert all(matrix[row["true"]][row["given"]] == row["rows"] for row in data["matrix"])
    assert sum(row["rows"] for row in data["matrix"]) == sum(map(sum, matrix))
    for kind in ("true", "other"):
        assert sum(row["share"] for row in data["histogram"] if row["kind"] == kind) == pytest.approx(1)
    assert [row["kept"] for row in data["dev_score"]] == [False, True, False]
    drawn = charts.chart_specs(report, data, lambda key: key)
    assert ("together" in drawn) == (task == "multilabel")
    for name, spec in drawn.items():
        assert f'"name": "{name}"' in json.dumps(spec)
        assert all(len(rows) == 2 for rows in spec.get("datasets", {}).values())  # the diagonal alone
        json.dumps(data[name], allow_nan=False)


def test_curves_are_thinned_with_their_ends_kept():
    report, _ = shared.judged()
    rows = chart_data.chart_data(report, (), None)["precision_recall"]
    for place, curve in enumerate(report.details.curves.precision_recall):
        own = [row for row in rows if row["curve"] == place]
        assert len(own) <= 130
        assert (own[0]["recall"], own[-1]["recall"]) == (curve.recall[0], curve.recall[-1])


def test_the_verdict_on_the_baseline_follows_the_interval():
    report, _ = shared.judged()
    from dataclasses import replace

    from fenlei.judge.bootstrap import Interval
    from fenlei.judge.figures import Figure

    said = {}
    for value, low, high in ((0.2, 0.1, 0.3), (-0.2, -0.3, -0.1), (0.1, -0.1, 0.3)):
        difference = {"micro_f1": Figure(value, Interval(low, high))}
        compared = replace(report, comparison=replace(report.comparison, differences=difference))
        said[value] = sentences.against_baseline(compared)
    assert "分类器高出 0.200（+0.100 到 +0.300），超出偶然" in said[0.2][0]
    assert "分类器反而低了 0.200" in said[-0.2][0]
    assert "0.200 worse (-0.300 to -0.100): beyond chance" in said[-0.2][1]
    assert "分不出高下" in said[0.1][0]
    assert said[0.1][1].endswith("within chance.")
    assert sentences.against_baseline(replace(report, comparison=None)) is None


def test_a_surrogate_half_does_not_stop_the_page():
    report, errors = shared.judged()
    page = report_page(report, errors, shared.origin(encoder="bad \ud800 name"))
    assert "bad ? name" in page


def test_what_is_not_python_is_packed():
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    for path in (ROOT / "src" / "fenlei" / "page").iterdir():
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            assert any(fnmatch(path.name, pattern) for pattern in packed["fenlei.page"]), path.name
