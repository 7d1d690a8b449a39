"""The numbers behind the charts, as rows of plain values under the names that the charts know."""

import math
from typing import Any

from fenlei.judge.figures import FIGURE_NAMES, LOWER_IS_BETTER, Figure
from fenlei.judge.report import Report
from fenlei.judge.row_facts import RowBin

Rows = list[dict[str, Any]]

MOST_POINTS = 500  # labels that the chart of all labels shows
MOST_TOGETHER = 20  # pairs of labels
MOST_EPOCHS = 1_000
_POINTS_A_CURVE = 120


def chart_data(report: Report, history: tuple[dict[str, Any], ...], kept_epoch: int | None) -> dict[str, Rows]:
    """Rows by the name of the chart; no rows where there is nothing to draw.

    Args:
        report: what was found.
        history: what each epoch of training showed.
        kept_epoch: the one whose weights stayed.
    """
    return {
        "figures": _figures(report),
        "labels": _labels(report),
        "matrix": _matrix(report),
        "together": _together(report),
        "precision_recall": _precision_recall(report),
        "working_point": _working_point(report),
        "calibration": _calibration(report),
        "histogram": _histogram(report),
        "length": [_bin(one, f"{one.low}–{one.high}") for one in report.details.rows.by_length],
        "labels_a_row": _labels_a_row(report),
        "loss": _loss(history),
        "dev_score": [
            {"epoch": one["epoch"], "value": one["dev_score"], "kept": one["epoch"] == kept_epoch}
            for one in history[:MOST_EPOCHS]
        ],
    }


def _figures(report: Report) -> Rows:
    # Errors and losses are better when low: they do not belong on one scale with the others.
    shown = [name for name in report.figures if name not in LOWER_IS_BETTER]

    def row(name: str, system: str, place: int, figure: Figure) -> dict[str, Any]:
        interval = {"low": figure.interval.low, "high": figure.interval.high}
        return {"figure": FIGURE_NAMES[name], "system": system, "place": place, "value": figure.value, **interval}

    rows = [row(name, "classifier", 0, report.figures[name]) for name in shown]
    if report.comparison is not None:
        rows += [row(name, "baseline", 1, report.comparison.figures[name]) for name in shown]
    return rows


def _labels(report: Report) -> Rows:
    lines = sorted((line for line in report.labels if line.support), key=lambda line: -line.support)[:MOST_POINTS]
    return [
        {
            "label": line.label,
            "support": line.support,
            "f1": line.f1,
            "low": line.f1_interval.low,
            "high": line.f1_interval.high,
            "precision": line.precision,
            "recall": line.recall,
        }
        for line in lines
    ]


def _matrix(report: Report) -> Rows:
    matrix = report.details.confusions.matrix
    # Places are numbers: two labels, or a label and a word of ours, may look the same.
    return [
        {"true": i, "given": j, "rows": rows, "share": rows / max(1, sum(line)), "mistake": i != j}
        for i, line in enumerate(matrix.rows)
        for j, rows in enumerate(line)
        if rows
    ]


def _together(report: Report) -> Rows:
    pairs = report.details.co_occurrence.pairs[:MOST_TOGETHER] if report.details.co_occurrence else ()
    return [
        {"pair": f"{pair.first} + {pair.second}", "true": pair.true, "predicted": pair.predicted, "both": pair.both}
        for pair in pairs
    ]


def _precision_recall(report: Report) -> Rows:
    rows = []
    for place, curve in enumerate(report.details.curves.precision_recall):
        step = max(1, math.ceil(len(curve.threshold) / _POINTS_A_CURVE))
        last = len(curve.threshold) - 1
        for i in [*range(0, last, step), last] if curve.threshold else []:
            point = {"threshold": curve.threshold[i], "precision": curve.precision[i], "recall": curve.recall[i]}
            rows.append({"curve": place, "label": curve.label, **point})
    return rows


def _working_point(report: Report) -> Rows:
    if report.task == "multiclass":
        accuracy = report.main_figure.value  # one label a row: precision and recall of all cells are the same
        return [{"precision": accuracy, "recall": accuracy}]
    micro = next(line for line in report.averages if line.name == "micro avg")
    return [{"precision": micro.precision, "recall": micro.recall}]


def _calibration(report: Report) -> Rows:
    curves = report.details.curves
    return [
        {"when": when, "score": one.score, "right": one.right, "forecasts": one.forecasts}
        for when, bins in (("before", curves.calibration_before), ("calibrated", curves.calibration))
        for one in bins
    ]


def _histogram(report: Report) -> Rows:
    histogram = report.details.curves.histogram
    rows = []
    for kind, counted in (("true", histogram.true), ("other", histogram.other)):
        total = max(1, sum(counted))
        for low, high, forecasts in zip(histogram.edges[:-1], histogram.edges[1:], counted, strict=True):
            share = forecasts / total
            rows.append({"kind": kind, "low": low, "high": high, "forecasts": forecasts, "share": share})
    return rows


def _labels_a_row(report: Report) -> Rows:
    bins = report.details.rows.by_labels
    return [_bin(one, str(one.low) if one.low == one.high else f"{one.low}+") for one in bins]


def _bin(one: RowBin, name: str) -> dict[str, Any]:
    interval = {"low": one.wrong.interval.low, "high": one.wrong.interval.high}
    return {"bin": name, "rows": one.rows, "wrong": one.wrong.value, **interval}


def _loss(history: tuple[dict[str, Any], ...]) -> Rows:
    return [
        {"epoch": one["epoch"], "kind": kind, "value": one[f"{kind}_loss"]}
        for one in history[:MOST_EPOCHS]
        for kind in ("train", "dev")
    ]
