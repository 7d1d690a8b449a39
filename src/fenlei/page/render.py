"""A report, its errors and its origin -> one HTML page that needs nothing beside it.

Texts and labels are strangers' words: the template escapes all of them, data for the scripts stand in JSON whose `<`
is escaped, and the page's Content-Security-Policy lets run only the two scripts whose hashes it names, and loads
nothing from anywhere.
"""

import base64
import hashlib
import shlex
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fenlei.judge.bootstrap import COUNTED_RESAMPLES, RANKING_RESAMPLES
from fenlei.judge.error_rows import ErrorRow
from fenlei.judge.figures import FIGURE_NAMES, LOWER_IS_BETTER, Figure
from fenlei.judge.label_groups import GROUP_NAMES, group_of_label
from fenlei.judge.notes import Language, notes_of
from fenlei.judge.report import Report
from fenlei.page import chart_data, sentences
from fenlei.page.chart_parts import CONFIG
from fenlei.page.charts import chart_specs
from fenlei.page.formulas import FORMULAS
from fenlei.page.words import WORDS
from fenlei.predict.origin import Origin

# What the page shows; everything is in the files beside it.
MOST_ERRORS = 2_000
MOST_CHARACTERS = 300
MOST_LABELS = 1_000
MOST_PAIRS = 20


def report_page(report: Report, errors: Sequence[ErrorRow], origin: Origin, *, language: Language | None = None) -> str:
    """The page.

    Args:
        report: what was found.
        errors: the wrong rows, most confident first.
        origin: where it comes from.
        language: that the page opens in; None: Chinese if a label is written in it, otherwise English.
    """
    kept_epoch = origin.training.get("best_epoch")
    data = chart_data.chart_data(report, origin.history, kept_epoch)
    page_data = {
        "config": CONFIG,
        "specs": {spoken: _specs(report, data, spoken) for spoken in ("zh", "en")},
        "charts": data,
        "errors": [_error(row) for row in errors[:MOST_ERRORS]],
        "words": {
            spoken: {key: WORDS[key][place] for key in ("missed", "wrong", "right", "confidence", "found")}
            for place, spoken in enumerate(("zh", "en"))
        },
    }
    libraries, own = _chart_libraries(), (files("fenlei.page") / "script.js").read_text(encoding="utf-8")
    page = (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            origin=origin,
            command=shlex.join(origin.command),
            language=language or language_of(report),
            notes=notes_of(report),
            headline=sentences.headline(report),
            verdict=sentences.against_baseline(report),
            figures=_figure_rows(report),
            labels=_label_rows(report),
            formulas=FORMULAS,
            figure_names=FIGURE_NAMES,
            drawn={name for name, rows in data.items() if rows},
            errors_found=len(errors),
            shortened=sum(len(row.text) > MOST_CHARACTERS for row in errors[:MOST_ERRORS]),
            most={"errors": MOST_ERRORS, "characters": MOST_CHARACTERS, "labels": MOST_LABELS, "pairs": MOST_PAIRS},
            caps=chart_data,
            resamples=(COUNTED_RESAMPLES, RANKING_RESAMPLES),
            page_data=page_data,
            scripts=[Markup(script) for script in (libraries, own)],
            hashes=[_hash_of(script) for script in (libraries, own)],
        )
    )
    # Half of a surrogate pair, which JSON can smuggle in, has no UTF-8.
    return page.encode("utf-8", "replace").decode("utf-8")


def language_of(report: Report) -> Language:
    """Chinese where a label holds a Han character."""
    return "zh" if any("\u3400" <= char <= "\u9fff" for line in report.labels for char in line.label) else "en"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fenlei.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":"), "allow_nan": False}
    environment.globals |= {"t": _word, "two": _two, "word": WORDS}
    environment.filters |= {
        "number": lambda value: "–" if value is None else f"{value:.4f}",
        "count": lambda value: "–" if value is None else f"{value:,}",
        "percent": lambda value: f"{value:.1%}",
        "interval": _interval,
        "signed": lambda figure: _interval(figure, "+"),
    }
    return environment


@cache
def _chart_libraries() -> str:
    """Vega, Vega-Lite and vega-embed as one script."""
    import altair
    import vl_convert

    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", version)
    return bundle


def _hash_of(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _specs(report: Report, data: dict[str, chart_data.Rows], language: str) -> dict[str, Any]:
    place = ("zh", "en").index(language)
    names = {name: (one.chinese_name, one.name) for name, one in FORMULAS.items()}
    return chart_specs(report, data, lambda key: (WORDS | names)[key][place])


def _word(key: str) -> Markup:
    """A word in both languages; the page shows one of them."""
    return _two(WORDS[key])


def _two(both: tuple[str, str]) -> Markup:
    return Markup('<span lang="zh">{}</span><span lang="en">{}</span>').format(*both)


def _interval(figure: Figure, sign: str = "") -> Markup:
    """A value with its interval, small."""
    value, low, high = (f"{number:{sign}.4f}" for number in (figure.value, figure.interval.low, figure.interval.high))
    return Markup('{} <span class="between">[{}, {}]</span>').format(value, low, high)


def _figure_rows(report: Report) -> list[dict[str, Any]]:
    rows = []
    for name, figure in report.figures.items():
        row = {
            "formula": FORMULAS[FIGURE_NAMES[name]],
            "figure": figure,
            "other": None,
            "difference": None,
            "verdict": "",
        }
        if report.comparison is not None:
            difference = report.comparison.differences[name]
            verdict: str = difference.verdict
            if name in LOWER_IS_BETTER:
                verdict = {"better": "worse", "worse": "better", "alike": "alike"}[verdict]
            row |= {"other": report.comparison.figures[name], "difference": difference, "verdict": verdict}
        rows.append(row)
    return rows


def _label_rows(report: Report) -> list[dict[str, Any]]:
    """The lines of the label table with their groups, most frequent first."""
    known = report.details.label_groups.by == "training"
    rows = np.array([line.training_rows if known else line.support for line in report.labels], dtype=np.int64)
    lines = zip(report.labels, group_of_label(rows).tolist(), strict=True)
    shown = sorted(lines, key=lambda one: -one[0].support)[:MOST_LABELS]
    return [{"line": line, "group": GROUP_NAMES[place]} for line, place in shown]


def _error(row: ErrorRow) -> list[Any]:
    """Short for the page: id, text, labels given rightly, missed, given wrongly, how confident."""
    text = row.text if len(row.text) <= MOST_CHARACTERS else row.text[:MOST_CHARACTERS] + "…"
    missed, wrong = ([[label, round(score, 3)] for label, score in pairs] for pairs in (row.missed, row.wrong))
    right = [label for label in row.labels if label in row.predicted]
    return [row.id, text, right, missed, wrong, round(row.confidence, 3)]
