"""The charts of rows that go wrong and of training."""

import altair as alt

from fenlei.page.chart_parts import FIRST, SECOND, Drawn, Say, count_tip, interval_tips, quoted, rows_of, share_tip


def wrong_rows_chart(say: Say, data: str, title: str, bins: list[str]) -> Drawn:
    """The share of wrong rows in bins of something."""
    base = alt.Chart(rows_of(data)).encode(
        x=alt.X("bin:O", scale=alt.Scale(domain=bins), title=title, axis=alt.Axis(labelAngle=0, labelOverlap="greedy")),
        tooltip=[
            alt.Tooltip("bin:N", title=title),
            count_tip("rows", say("support")),
            share_tip("wrong", say("share-wrong")),
            *interval_tips(say),
        ],
    )
    percent = alt.Axis(format="%", tickCount=5)
    return alt.layer(
        base.mark_bar(opacity=0.3).encode(y=alt.Y("wrong:Q", title=say("share-wrong"), axis=percent)),
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=say("share-wrong"), axis=percent), y2="high:Q"),
    ).properties(height=240)


def _epochs(say: Say) -> alt.X:
    return alt.X("epoch:Q", title=say("epoch"), axis=alt.Axis(format="d", tickMinStep=1, grid=False))


def loss_chart(say: Say) -> Drawn:
    """The losses after each epoch."""
    words = [say("train-loss"), say("dev-loss")]
    told = f"datum.kind == 'train' ? {quoted(words[0])} : {quoted(words[1])}"
    base = (
        alt.Chart(rows_of("loss"))
        .transform_calculate(which=told)
        .encode(
            x=_epochs(say),
            y=alt.Y("value:Q", title=say("loss")),
            color=alt.Color("which:N", scale=alt.Scale(domain=words, range=[FIRST, SECOND])),
            tooltip=[
                alt.Tooltip("which:N", title=" "),
                count_tip("epoch", say("epoch")),
                alt.Tooltip("value:Q", title=say("loss"), format=".4f"),
            ],
        )
    )
    return alt.layer(base.mark_line(), base.mark_point(opacity=1)).properties(height=240)


def dev_score_chart(say: Say) -> Drawn:
    """The score on dev after each epoch; the epoch that was kept stands out."""
    base = alt.Chart(rows_of("dev_score")).encode(
        x=_epochs(say),
        y=alt.Y("value:Q", title=say("dev-score-chart"), scale=alt.Scale(zero=False)),
        tooltip=[count_tip("epoch", say("epoch")), alt.Tooltip("value:Q", title=say("value"), format=".4f")],
    )
    kept = base.transform_filter("datum.kept").mark_point(size=140, color=SECOND, opacity=1)
    return alt.layer(base.mark_line(), base.mark_point(opacity=1), kept).properties(height=240)
