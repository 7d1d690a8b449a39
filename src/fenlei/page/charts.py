"""The charts of the page as Vega-Lite, without their data.

Colours are the page's own CSS variables, so that dark, light and paper need no second chart.
"""

from collections.abc import Callable
from typing import Any

import altair as alt

from fenlei.judge.report import Report
from fenlei.page.chart_data import Rows

Say = Callable[[str], str]
"""The key of a word -> the word in one language."""

Drawn = alt.Chart | alt.LayerChart | alt.FacetChart

INK, MUTED, RULE = "var(--ink)", "var(--muted)", "var(--rule)"
FIRST, SECOND = "var(--first)", "var(--second)"

_FONT = "'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Noto Sans SC', system-ui, sans-serif"

CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": INK,
        "titleFontWeight": "normal",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titlePadding": 10,
        "gridColor": RULE,
        "domainColor": RULE,
        "tickColor": RULE,
        "labelLimit": 160,
    },
    "legend": {
        "labelColor": INK,
        "labelFontSize": 12,
        "title": None,
        "orient": "top",
        "direction": "horizontal",
        "symbolStrokeWidth": 2,
        "offset": 8,
    },
    "line": {"color": FIRST, "strokeWidth": 2},
    "point": {"color": FIRST, "filled": True, "size": 55},
    "rule": {"color": FIRST},
    "bar": {"color": FIRST},
    "text": {"color": INK, "font": _FONT},
}

_TALL_ROW = 26  # pixels a line of a chart with names at its left
_CELL = 24  # and of a cell of the confusion matrix


def chart_specs(report: Report, data: dict[str, Rows], say: Say) -> dict[str, dict[str, Any]]:
    """The charts by name, in one language, without their rows.

    Args:
        report: what was found.
        data: the rows of each; a chart without any is left out.
        say: the words.
    """
    charts: dict[str, Drawn] = {
        "figures": _figures(say, report, _names(data["figures"], "figure")),
        "labels": _labels(say),
        "matrix": _matrix(say, report),
        "together": _together(say, _names(data["together"], "pair")),
        "precision_recall": _precision_recall(say),
        "calibration": _calibration(say),
        "histogram": _histogram(say, report),
        "length": _wrong_rows(say, "length", say("tokens"), _names(data["length"], "bin")),
        "labels_a_row": _wrong_rows(say, "labels_a_row", say("labels-a-row"), _names(data["labels_a_row"], "bin")),
        "loss": _loss(say),
        "dev_score": _dev_score(say),
    }
    # A table of many labels needs its width, whatever the page has.
    widths: dict[str, Any] = {"matrix": {"step": _CELL}}
    specs = {}
    for name, chart in charts.items():
        if data[name]:
            width = widths.get(name, "container")
            spec = chart.properties(width=width, autosize=alt.AutoSizeParams(type="pad" if name in widths else "fit-x"))
            specs[name] = {key: value for key, value in spec.to_dict().items() if key != "config"}
    return specs


def _names(rows: Rows, field: str) -> list[str]:
    """What stands in a field, each once, in order."""
    return list(dict.fromkeys(row[field] for row in rows))


def _data(name: str) -> alt.NamedData:
    return alt.NamedData(name=name)


def _share(field: str, title: str, **more: Any) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", title=title, format=".3f", **more)


def _count(field: str, title: str) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", title=title, format=",")


def _interval(say: Say) -> list[alt.Tooltip]:
    word = say("interval")
    return [_share("low", f"{word} ↓"), _share("high", f"{word} ↑")]


def _figures(say: Say, report: Report, figures: list[str]) -> Drawn:
    named = [report.comparison.name] if report.comparison else []
    told = f"datum.system == 'classifier' ? {_quoted(say('classifier'))} : {_quoted(''.join(named))}"
    spoken = ", ".join(f"{_quoted(figure)}: {_quoted(say(figure))}" for figure in figures)
    axis = alt.Axis(
        ticks=False, domain=False, labelColor=INK, labelPadding=10, labelExpr=f"({{{spoken}}})[datum.value]"
    )
    base = (
        alt.Chart(_data("figures"))
        .transform_calculate(who=told, spoken=f"({{{spoken}}})[datum.figure]")
        .encode(
            y=alt.Y("figure:N", scale=alt.Scale(domain=figures), title=None, axis=axis),
            yOffset=alt.YOffset("place:O"),
            color=alt.Color("who:N", scale=alt.Scale(domain=[say("classifier"), *named], range=[FIRST, SECOND])),
            tooltip=[
                alt.Tooltip("spoken:N", title=say("figure")),
                alt.Tooltip("who:N", title=say("system")),
                _share("value", say("value")),
                *_interval(say),
            ],
        )
    )
    shared: dict[str, Any] = {"title": None, "scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(tickCount=5)}
    return alt.layer(
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", **shared), x2="high:Q"),
        base.mark_point(filled=True, opacity=1).encode(x=alt.X("value:Q", **shared)),
    ).properties(height={"step": _TALL_ROW // 2})


def _labels(say: Say) -> Drawn:
    base = alt.Chart(_data("labels")).encode(
        x=alt.X(
            "support:Q",
            title=say("support-axis"),
            scale=alt.Scale(type="log", nice=False, padding=12),
            axis=alt.Axis(grid=False, format=",", labelOverlap=True, tickCount=5),
        ),
        tooltip=[
            alt.Tooltip("label:N", title=say("label")),
            _count("support", say("support")),
            _share("f1", say("f1")),
            *_interval(say),
            _share("precision", say("precision")),
            _share("recall", say("recall")),
        ],
    )
    scale = alt.Scale(domain=[0, 1])
    return alt.layer(
        base.mark_rule(opacity=0.35).encode(y=alt.Y("low:Q", title=say("f1"), scale=scale), y2="high:Q"),
        base.mark_point(opacity=0.85).encode(y=alt.Y("f1:Q", title=say("f1"), scale=scale)),
    ).properties(height=280)


def matrix_names(report: Report, say: Say) -> list[str]:
    """The names beside and above the confusion matrix."""
    matrix = report.details.confusions.matrix
    return [
        *matrix.labels,
        *([say("others")] if matrix.others else []),
        *([say("nothing")] if matrix.nothing else []),
    ]


def _matrix(say: Say, report: Report) -> Drawn:
    names = matrix_names(report, say)
    named = f"[{', '.join(map(_quoted, names))}]"
    places = list(range(len(names)))

    def axis(**more: Any) -> alt.Axis:
        return alt.Axis(
            labelExpr=f"{named}[datum.value]", ticks=False, domain=False, labelOverlap=False, labelLimit=110, **more
        )

    base = (
        alt.Chart(_data("matrix"))
        .transform_calculate(true_name=f"{named}[datum.true]", given_name=f"{named}[datum.given]")
        .encode(
            x=alt.X(
                "given:O",
                title=say("given"),
                scale=alt.Scale(domain=places),
                axis=axis(orient="top", labelAngle=-45 if len(names) > 4 else 0),
            ),
            y=alt.Y("true:O", title=say("true"), scale=alt.Scale(domain=places), axis=axis()),
            tooltip=[
                alt.Tooltip("true_name:N", title=say("true")),
                alt.Tooltip("given_name:N", title=say("given")),
                _count("rows", say("support")),
                _share("share", say("share")),
            ],
        )
    )
    most = max([1, *(row for i, line in enumerate(matrix_rows(report)) for j, row in enumerate(line) if i != j)])
    mistakes = base.transform_filter("datum.mistake").mark_rect(color=SECOND)
    shaded = mistakes.encode(
        opacity=alt.Opacity("rows:Q", legend=None, scale=alt.Scale(type="sqrt", domain=[0, most], range=[0.06, 0.95]))
    )
    numbers = base.mark_text(fontSize=11 if len(names) <= 20 else 9).encode(
        text=alt.Text("rows:Q", format="~s" if len(names) > 12 else ","),
        color=alt.condition("datum.mistake", alt.value(INK), alt.value(MUTED)),
    )
    return alt.layer(shaded, numbers).properties(height={"step": _CELL})


def matrix_rows(report: Report) -> tuple[tuple[int, ...], ...]:
    """The counts of the confusion matrix."""
    return report.details.confusions.matrix.rows


def _together(say: Say, pairs: list[str]) -> Drawn:
    base = alt.Chart(_data("together")).encode(
        y=alt.Y(
            "pair:N",
            scale=alt.Scale(domain=pairs),
            title=None,
            axis=alt.Axis(labelColor=INK, ticks=False, domain=False, labelLimit=220, labelPadding=10),
        ),
        tooltip=[
            alt.Tooltip("pair:N", title=say("pair")),
            _count("true", say("true")),
            _count("predicted", say("given")),
            _count("both", say("both-right")),
        ],
    )

    rows = alt.Axis(tickCount=6, tickMinStep=1, format=",d")

    def dots(field: str, word: str) -> alt.Chart:
        drawn: alt.Chart = (
            base.transform_calculate(kind=_quoted(word))
            .mark_point(opacity=1)
            .encode(
                x=alt.X(f"{field}:Q", title=say("support"), axis=rows),
                color=alt.Color("kind:N", scale=alt.Scale(domain=[say("true"), say("given")], range=[SECOND, FIRST])),
            )
        )
        return drawn

    return alt.layer(
        base.mark_rule(color=MUTED, opacity=0.6).encode(
            x=alt.X("true:Q", title=say("support"), axis=rows), x2="predicted:Q"
        ),
        dots("true", say("true")),
        dots("predicted", say("given")),
    ).properties(height={"step": 22})


def _precision_recall(say: Say) -> Drawn:
    shared: dict[str, Any] = {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(tickCount=5)}
    x, y = alt.X("recall:Q", title=say("recall"), **shared), alt.Y("precision:Q", title=say("precision"), **shared)
    tooltip = [
        alt.Tooltip("name:N", title=say("label")),
        _share("threshold", say("threshold")),
        _share("precision", say("precision")),
        _share("recall", say("recall")),
    ]
    hovered = alt.selection_point(fields=["curve"], on="pointerover", empty=False, nearest=True, name="hovered")
    base = (
        alt.Chart(_data("precision_recall"))
        .transform_calculate(name=f"isValid(datum.label) ? datum.label : {_quoted(say('all-labels'))}")
        .encode(x=x, y=y, detail="curve:N", order=alt.Order("threshold:Q"))
    )
    every = (
        base.transform_filter("datum.curve > 0")
        .mark_line(strokeWidth=1)
        .encode(
            color=alt.condition(hovered, alt.value(SECOND), alt.value(MUTED)),
            opacity=alt.condition(hovered, alt.value(1), alt.value(0.45)),
        )
    )
    micro = base.transform_filter("datum.curve == 0").mark_line(strokeWidth=2.5)
    points = base.mark_point(opacity=0, size=30).encode(tooltip=tooltip).add_params(hovered)
    present = (
        alt.Chart(_data("working_point"))
        .transform_calculate(name=_quoted(say("working-point")))
        .mark_point(size=110, opacity=1, color=SECOND, stroke="var(--paper)", strokeWidth=1.5)
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("name:N", title=say("system")),
                _share("precision", say("precision")),
                _share("recall", say("recall")),
            ],
        )
    )
    return alt.layer(every, micro, points, present).properties(height=360)


def _calibration(say: Say) -> Drawn:
    unit: dict[str, Any] = {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(tickCount=5)}
    words = [say("calibrated"), say("before")]
    told = f"datum.when == 'before' ? {_quoted(words[1])} : {_quoted(words[0])}"
    diagonal = (
        alt.Chart(alt.InlineData(values=[{"at": 0}, {"at": 1}]))
        .mark_line(strokeDash=[4, 4], strokeWidth=1, color=MUTED)
        .encode(x=alt.X("at:Q", title=say("mean-score"), **unit), y=alt.Y("at:Q", title=say("share-right"), **unit))
    )
    base = (
        alt.Chart(_data("calibration"))
        .transform_calculate(which=told)
        .encode(
            x=alt.X("score:Q", title=say("mean-score"), **unit),
            y=alt.Y("right:Q", title=say("share-right"), **unit),
            color=alt.Color("which:N", scale=alt.Scale(domain=words, range=[FIRST, SECOND])),
            tooltip=[
                alt.Tooltip("which:N", title=" "),
                _share("score", say("mean-score")),
                _share("right", say("share-right")),
                _count("forecasts", say("forecasts")),
            ],
        )
    )
    return alt.layer(diagonal, base.mark_line(strokeWidth=1.5), base.mark_point(opacity=1)).properties(height=300)


def _histogram(say: Say, report: Report) -> Drawn:
    keys = ("true-cells", "other-cells") if report.task == "multilabel" else ("right-rows", "wrong-rows")
    words = [say(key) for key in keys]
    told = f"datum.kind == 'true' ? {_quoted(words[0])} : {_quoted(words[1])}"
    drawn: alt.Chart = (
        alt.Chart(_data("histogram"))
        .transform_calculate(which=told)
        .mark_bar(opacity=0.55)
        .encode(
            x=alt.X("low:Q", title=say("score"), scale=alt.Scale(domain=[0, 1]), bin="binned"),
            x2="high:Q",
            y=alt.Y("share:Q", title=say("share-of-kind"), stack=None, axis=alt.Axis(format="%", tickCount=5)),
            color=alt.Color("which:N", scale=alt.Scale(domain=words, range=[FIRST, SECOND])),
            tooltip=[
                alt.Tooltip("which:N", title=" "),
                alt.Tooltip("low:Q", title=f"{say('score')} ≥", format=".2f"),
                _count("forecasts", say("forecasts")),
                alt.Tooltip("share:Q", title=say("share-of-kind"), format=".2%"),
            ],
        )
        .properties(height=300)
    )
    return drawn


def _wrong_rows(say: Say, data: str, title: str, bins: list[str]) -> Drawn:
    base = alt.Chart(_data(data)).encode(
        x=alt.X("bin:O", scale=alt.Scale(domain=bins), title=title, axis=alt.Axis(labelAngle=0, labelOverlap="greedy")),
        tooltip=[
            alt.Tooltip("bin:N", title=title),
            _count("rows", say("support")),
            _share("wrong", say("share-wrong")),
            *_interval(say),
        ],
    )
    percent = alt.Axis(format="%", tickCount=5)
    return alt.layer(
        base.mark_bar(opacity=0.3).encode(y=alt.Y("wrong:Q", title=say("share-wrong"), axis=percent)),
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=say("share-wrong"), axis=percent), y2="high:Q"),
    ).properties(height=240)


def _epochs(say: Say) -> alt.X:
    return alt.X("epoch:Q", title=say("epoch"), axis=alt.Axis(format="d", tickMinStep=1, grid=False))


def _loss(say: Say) -> Drawn:
    words = [say("train-loss"), say("dev-loss")]
    told = f"datum.kind == 'train' ? {_quoted(words[0])} : {_quoted(words[1])}"
    base = (
        alt.Chart(_data("loss"))
        .transform_calculate(which=told)
        .encode(
            x=_epochs(say),
            y=alt.Y("value:Q", title=say("loss")),
            color=alt.Color("which:N", scale=alt.Scale(domain=words, range=[FIRST, SECOND])),
            tooltip=[
                alt.Tooltip("which:N", title=" "),
                _count("epoch", say("epoch")),
                alt.Tooltip("value:Q", title=say("loss"), format=".4f"),
            ],
        )
    )
    return alt.layer(base.mark_line(), base.mark_point(opacity=1)).properties(height=240)


def _dev_score(say: Say) -> Drawn:
    base = alt.Chart(_data("dev_score")).encode(
        x=_epochs(say),
        y=alt.Y("value:Q", title=say("dev-score-chart"), scale=alt.Scale(zero=False)),
        tooltip=[_count("epoch", say("epoch")), alt.Tooltip("value:Q", title=say("value"), format=".4f")],
    )
    kept = base.transform_filter("datum.kept").mark_point(size=140, color=SECOND, opacity=1)
    return alt.layer(base.mark_line(), base.mark_point(opacity=1), kept).properties(height=240)


def _quoted(text: str) -> str:
    """A string of Vega's expression language, whatever is in it."""
    escaped = "".join(
        char if char.isalnum() and ord(char) < 0x10000 else f"\\u{unit:04x}" for char, unit in _units(text)
    )
    return f'"{escaped}"'


def _units(text: str) -> list[tuple[str, int]]:
    """The UTF-16 code units of a text, each with its character; halves of a pair have none that is alphanumeric."""
    units = text.encode("utf-16-be", "surrogatepass")
    numbers = [int.from_bytes(units[i : i + 2]) for i in range(0, len(units), 2)]
    return [("" if 0xD800 <= number < 0xE000 else chr(number), number) for number in numbers]
