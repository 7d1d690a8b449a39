"""The charts of scores: precision against recall, calibration, histograms."""

from typing import Any

import altair as alt

from fenlei.judge.report import Report
from fenlei.page.chart_parts import FIRST, MUTED, SECOND, Drawn, Say, count_tip, quoted, rows_of, share_tip


def precision_recall_chart(say: Say) -> Drawn:
    """The curves, and the present decision as a dot."""
    shared: dict[str, Any] = {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(tickCount=5)}
    x, y = alt.X("recall:Q", title=say("recall"), **shared), alt.Y("precision:Q", title=say("precision"), **shared)
    tooltip = [
        alt.Tooltip("name:N", title=say("label")),
        share_tip("threshold", say("threshold")),
        share_tip("precision", say("precision")),
        share_tip("recall", say("recall")),
    ]
    hovered = alt.selection_point(fields=["curve"], on="pointerover", empty=False, nearest=True, name="hovered")
    base = (
        alt.Chart(rows_of("precision_recall"))
        .transform_calculate(name=f"isValid(datum.label) ? datum.label : {quoted(say('all-labels'))}")
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
        alt.Chart(rows_of("working_point"))
        .transform_calculate(name=quoted(say("working-point")))
        .mark_point(size=110, opacity=1, color=SECOND, stroke="var(--paper)", strokeWidth=1.5)
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("name:N", title=say("system")),
                share_tip("precision", say("precision")),
                share_tip("recall", say("recall")),
            ],
        )
    )
    return alt.layer(every, micro, points, present).properties(height=360)


def calibration_chart(say: Say) -> Drawn:
    """What scores say against what came true."""
    unit: dict[str, Any] = {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(tickCount=5)}
    words = [say("calibrated"), say("before")]
    told = f"datum.when == 'before' ? {quoted(words[1])} : {quoted(words[0])}"
    diagonal = (
        alt.Chart(alt.InlineData(values=[{"at": 0}, {"at": 1}]))
        .mark_line(strokeDash=[4, 4], strokeWidth=1, color=MUTED)
        .encode(x=alt.X("at:Q", title=say("mean-score"), **unit), y=alt.Y("at:Q", title=say("share-right"), **unit))
    )
    base = (
        alt.Chart(rows_of("calibration"))
        .transform_calculate(which=told)
        .encode(
            x=alt.X("score:Q", title=say("mean-score"), **unit),
            y=alt.Y("right:Q", title=say("share-right"), **unit),
            color=alt.Color("which:N", scale=alt.Scale(domain=words, range=[FIRST, SECOND])),
            tooltip=[
                alt.Tooltip("which:N", title=" "),
                share_tip("score", say("mean-score")),
                share_tip("right", say("share-right")),
                count_tip("forecasts", say("forecasts")),
            ],
        )
    )
    return alt.layer(diagonal, base.mark_line(strokeWidth=1.5), base.mark_point(opacity=1)).properties(height=300)


def histogram_chart(say: Say, report: Report) -> Drawn:
    """How the scores of the two kinds lie."""
    keys = ("true-cells", "other-cells") if report.task == "multilabel" else ("right-rows", "wrong-rows")
    words = [say(key) for key in keys]
    told = f"datum.kind == 'true' ? {quoted(words[0])} : {quoted(words[1])}"
    drawn: alt.Chart = (
        alt.Chart(rows_of("histogram"))
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
                count_tip("forecasts", say("forecasts")),
                alt.Tooltip("share:Q", title=say("share-of-kind"), format=".2%"),
            ],
        )
        .properties(height=300)
    )
    return drawn
