"""The charts of figures and labels."""

from typing import Any

import altair as alt

from fenlei.judge.report import Report
from fenlei.page.chart_parts import (
    CELL,
    FIRST,
    INK,
    MUTED,
    SECOND,
    TALL_ROW,
    Drawn,
    Say,
    count_tip,
    interval_tips,
    quoted,
    rows_of,
    share_tip,
)


def figures_chart(say: Say, report: Report, figures: list[str]) -> Drawn:
    """Each figure of classifier and baseline with its interval."""
    named = [report.comparison.name] if report.comparison else []
    told = f"datum.system == 'classifier' ? {quoted(say('classifier'))} : {quoted(''.join(named))}"
    spoken = ", ".join(f"{quoted(figure)}: {quoted(say(figure))}" for figure in figures)
    axis = alt.Axis(
        ticks=False, domain=False, labelColor=INK, labelPadding=10, labelExpr=f"({{{spoken}}})[datum.value]"
    )
    base = (
        alt.Chart(rows_of("figures"))
        .transform_calculate(who=told, spoken=f"({{{spoken}}})[datum.figure]")
        .encode(
            y=alt.Y("figure:N", scale=alt.Scale(domain=figures), title=None, axis=axis),
            yOffset=alt.YOffset("place:O"),
            color=alt.Color("who:N", scale=alt.Scale(domain=[say("classifier"), *named], range=[FIRST, SECOND])),
            tooltip=[
                alt.Tooltip("spoken:N", title=say("figure")),
                alt.Tooltip("who:N", title=say("system")),
                share_tip("value", say("value")),
                *interval_tips(say),
            ],
        )
    )
    shared: dict[str, Any] = {"title": None, "scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(tickCount=5)}
    return alt.layer(
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", **shared), x2="high:Q"),
        base.mark_point(filled=True, opacity=1).encode(x=alt.X("value:Q", **shared)),
    ).properties(height=TALL_ROW * len(figures))


def labels_chart(say: Say) -> Drawn:
    """Rows of each label against its F1."""
    base = alt.Chart(rows_of("labels")).encode(
        x=alt.X(
            "support:Q",
            title=say("support-axis"),
            scale=alt.Scale(type="log", nice=False, padding=12),
            axis=alt.Axis(grid=False, format=",", labelOverlap=True, tickCount=5),
        ),
        tooltip=[
            alt.Tooltip("label:N", title=say("label")),
            count_tip("support", say("support")),
            share_tip("f1", say("f1")),
            *interval_tips(say),
            share_tip("precision", say("precision")),
            share_tip("recall", say("recall")),
        ],
    )
    scale = alt.Scale(domain=[0, 1])
    return alt.layer(
        base.mark_rule(opacity=0.35).encode(y=alt.Y("low:Q", title=say("f1"), scale=scale), y2="high:Q"),
        base.mark_point(opacity=0.85).encode(y=alt.Y("f1:Q", title=say("f1"), scale=scale)),
    ).properties(height=280)


def matrix_chart(say: Say, report: Report) -> Drawn:
    """The confusion matrix; places are numbers, since two labels may look the same."""
    names = _matrix_names(report, say)
    named = f"[{', '.join(map(quoted, names))}]"
    places = list(range(len(names)))

    def axis(**more: Any) -> alt.Axis:
        return alt.Axis(
            labelExpr=f"{named}[datum.value]", ticks=False, domain=False, labelOverlap=False, labelLimit=110, **more
        )

    base = (
        alt.Chart(rows_of("matrix"))
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
                count_tip("rows", say("support")),
                share_tip("share", say("share")),
            ],
        )
    )
    most = max(
        [
            1,
            *(
                row
                for i, line in enumerate(report.details.confusions.matrix.rows)
                for j, row in enumerate(line)
                if i != j
            ),
        ]
    )
    mistakes = base.transform_filter("datum.mistake").mark_rect(color=SECOND)
    shaded = mistakes.encode(
        opacity=alt.Opacity("rows:Q", legend=None, scale=alt.Scale(type="sqrt", domain=[0, most], range=[0.06, 0.95]))
    )
    numbers = base.mark_text(fontSize=11 if len(names) <= 20 else 9).encode(
        text=alt.Text("rows:Q", format="~s" if len(names) > 12 else ","),
        color=alt.condition("datum.mistake", alt.value(INK), alt.value(MUTED)),
    )
    return alt.layer(shaded, numbers).properties(height={"step": CELL})


def together_chart(say: Say, pairs: list[str]) -> Drawn:
    """How often two labels stand together, truly and as given."""
    base = alt.Chart(rows_of("together")).encode(
        y=alt.Y(
            "pair:N",
            scale=alt.Scale(domain=pairs),
            title=None,
            axis=alt.Axis(labelColor=INK, ticks=False, domain=False, labelLimit=220, labelPadding=10),
        ),
        tooltip=[
            alt.Tooltip("pair:N", title=say("pair")),
            count_tip("true", say("true")),
            count_tip("predicted", say("given")),
            count_tip("both", say("both-right")),
        ],
    )

    rows = alt.Axis(tickCount=6, tickMinStep=1, format=",d")

    def dots(field: str, word: str) -> alt.Chart:
        drawn: alt.Chart = (
            base.transform_calculate(kind=quoted(word))
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
    ).properties(height=TALL_ROW * len(pairs))


def _matrix_names(report: Report, say: Say) -> list[str]:
    """The names beside and above the confusion matrix."""
    matrix = report.details.confusions.matrix
    return [
        *matrix.labels,
        *([say("others")] if matrix.others else []),
        *([say("nothing")] if matrix.nothing else []),
    ]
