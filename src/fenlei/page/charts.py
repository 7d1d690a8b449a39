"""The charts of the page as Vega-Lite, without their data."""

from typing import Any

import altair as alt

from fenlei.judge.report import Report
from fenlei.page.chart_data import Rows
from fenlei.page.chart_parts import CELL, Drawn, Say
from fenlei.page.label_charts import figures_chart, labels_chart, matrix_chart, together_chart
from fenlei.page.row_charts import dev_score_chart, loss_chart, wrong_rows_chart
from fenlei.page.score_charts import calibration_chart, histogram_chart, precision_recall_chart


def chart_specs(report: Report, data: dict[str, Rows], say: Say) -> dict[str, dict[str, Any]]:
    """The charts by name, in one language, without their rows.

    Args:
        report: what was found.
        data: the rows of each; a chart without any is left out.
        say: the words.
    """
    charts: dict[str, Drawn] = {
        "figures": figures_chart(say, report, _names(data["figures"], "figure")),
        "labels": labels_chart(say),
        "matrix": matrix_chart(say, report),
        "together": together_chart(say, _names(data["together"], "pair")),
        "precision_recall": precision_recall_chart(say),
        "calibration": calibration_chart(say),
        "histogram": histogram_chart(say, report),
        "length": wrong_rows_chart(say, "length", say("tokens"), _names(data["length"], "bin")),
        "labels_a_row": wrong_rows_chart(say, "labels_a_row", say("labels-a-row"), _names(data["labels_a_row"], "bin")),
        "loss": loss_chart(say),
        "dev_score": dev_score_chart(say),
    }
    # A table of many labels needs its width, whatever the page has.
    widths: dict[str, Any] = {"matrix": {"step": CELL}}
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
