"""The few sentences at the head of the page that a reader in a hurry takes home: (Chinese, English) each."""

from fenlei.judge.figures import FIGURE_NAMES, MAIN_FIGURE
from fenlei.judge.report import Report

Sentence = tuple[str, str]


def headline(report: Report) -> Sentence:
    """The main figure in plain words."""
    main, figure = MAIN_FIGURE[report.task], report.main_figure
    low, high = figure.interval.low, figure.interval.high
    if main == "accuracy":
        return (
            f"在 {report.rows:,} 行上，判对的占 {figure.value:.1%}（95% 区间 {low:.1%} 到 {high:.1%}）。",
            f"Of {report.rows:,} rows {figure.value:.1%} are right (95% interval {low:.1%} to {high:.1%}).",
        )
    exact = report.figures["subset_accuracy"].value
    return (
        f"在 {report.rows:,} 行上，micro-F1 是 {figure.value:.3f}（95% 区间 {low:.3f} 到 {high:.3f}；1 是全对）；"
        f"标签一个不差的行占 {exact:.1%}。",
        f"On {report.rows:,} rows micro-F1 is {figure.value:.3f} (95% interval {low:.3f} to {high:.3f}; 1 is perfect); "
        f"{exact:.1%} of the rows have exactly the right labels.",
    )


def against_baseline(report: Report) -> Sentence | None:
    """Whether the classifier is worth more than its baseline; None: there is none."""
    if report.comparison is None:
        return None
    main, name = MAIN_FIGURE[report.task], report.comparison.name
    other, difference = report.comparison.figures[main], report.comparison.differences[main]
    low, high = difference.interval.low, difference.interval.high
    between = (f"{low:+z.3f} 到 {high:+z.3f}", f"{low:+z.3f} to {high:+z.3f}")
    figure = ("准确率" if main == "accuracy" else f" {FIGURE_NAMES[main]} ", FIGURE_NAMES[main])
    size = abs(difference.value)
    verdict, verdict_en = {
        "better": (f"分类器高出 {size:.3f}（{between[0]}），超出偶然。", f"The classifier is {size:.3f} better "),
        "worse": (f"分类器反而低了 {size:.3f}（{between[0]}），超出偶然。", f"The classifier is {size:.3f} worse "),
        "alike": (
            f"相差 {difference.value:+z.3f}（{between[0]}），分不出高下。",
            f"They differ by {difference.value:+z.3f} ",
        ),
    }[difference.verdict]
    ending = "within chance" if difference.verdict == "alike" else "beyond chance"
    return (
        f"同样的行上，便宜得多的对照 {name} 的{figure[0]}是 {other.value:.3f}。{verdict}",
        f"On the same rows the far cheaper baseline {name} has {figure[1]} {other.value:.3f}. "
        f"{verdict_en}({between[1]}): {ending}.",
    )
