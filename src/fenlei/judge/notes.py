"""What a reader must know to take the figures of a report for what they are, in English and in Chinese."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fenlei.counted import counted
from fenlei.judge.blend import Blend
from fenlei.judge.bootstrap import COUNTED_RESAMPLES, FEWEST_ROWS, RANKING_RESAMPLES
from fenlei.judge.figures import FIGURE_NAMES, MAIN_FIGURE, shown

if TYPE_CHECKING:
    from fenlei.judge.report import Report

Language = Literal["zh", "en"]

_RARE_SHARE = 0.1  # of labels of so few rows that the interval of macro-F1 suffers
_NAMED = 10  # absent labels that are called by their names
_PARTS_ZH = {"train": "训练集", "dev": "开发集"}
_SUBSETS = {
    "unseen": ("not seen when the classifier was made", "制作分类器时没有见过的"),
    "sure": ("not left to a person", "不用交给人看的"),
}


@dataclass(frozen=True)
class Note:
    """One sentence.

    Attributes:
        english, chinese: the same, twice.
        warning: the figures are not what a reader would take them for without it.
    """

    english: str
    chinese: str
    warning: bool = False


def notes_of(report: "Report") -> tuple[Note, ...]:
    """The sentences, the way the figures were measured first."""
    return tuple(_notes(report))


def _notes(report: "Report") -> Iterator[Note]:
    rows = report.rows
    unit = "rows" if report.groups is None else f"rows in {report.groups:,} groups"
    ranking = f" ({RANKING_RESAMPLES} for mean average precision)" if report.task == "multilabel" else ""
    unit_zh = "行" if report.groups is None else f"行，分属 {report.groups:,} 组"
    ranking_zh = f"（平均精度均值 {RANKING_RESAMPLES} 次）" if report.task == "multilabel" else ""
    yield Note(
        f"{rows:,} {unit}; 95% intervals: percentile bootstrap (basic for the calibration error), "
        f"{COUNTED_RESAMPLES:,} resamples{ranking}, seed {report.seed}",
        f"共 {rows:,} {unit_zh}；95% 区间用百分位自助法（校准误差用基本法），"
        f"重抽 {COUNTED_RESAMPLES:,} 次{ranking_zh}，种子 {report.seed}",
    )
    yield from _how_rows_relate_to_training(report)
    if report.rows_for_a_person:
        share = report.rows_for_a_person / rows
        yield Note(
            f"{share:.1%} of the rows ({report.rows_for_a_person:,}) are so uncertain that a person should look; "
            "the figures take them as they would be labelled",
            f"{report.rows_for_a_person:,} 行（{share:.1%}）太没有把握，应当交给人看；各项指标仍按机器给的标签计算",
        )
    yield from _subsets(report)
    if report.blend is not None:
        yield Note(
            f"the scores are a blend of two models' logits: {report.blend}",
            f"分数是两个模型 logits 的混合：{_in_chinese(report.blend)}",
        )
    if report.before_calibration:
        error, brier = (report.before_calibration[name] for name in ("calibration_error", "brier_score"))
        yield Note(
            f"of the encoder alone and before calibration, the calibration error was {error:.4f} and the Brier score "
            f"{brier:.4f}",
            f"只看编码器、校准之前，校准误差是 {error:.4f}，Brier 分数是 {brier:.4f}",
        )
    if report.oracle is not None:
        gain = report.oracle - report.main_figure.value
        yield Note(
            f"thresholds fitted on these very rows would reach micro-F1 {report.oracle:.4f} "
            f"({gain:+.4f}): a bound that nobody can know in advance",
            f"如果阈值就在这些行上拟合，micro-F1 能到 {report.oracle:.4f}（{gain:+.4f}）：这是谁也没法事先知道的上界",
        )
    yield from _labels(report)


def _how_rows_relate_to_training(report: "Report") -> Iterator[Note]:
    if report.seen is None:
        yield Note(
            "whether these rows helped to make the classifier is not known: its bundle keeps no fingerprints",
            "不知道这些行是否参与过分类器的制作：模型包里没有留文本指纹",
            warning=True,
        )
    for part, rows in (report.seen or {}).items():
        if rows:
            how = f"{'was' if rows == 1 else 'were'} in the {part} part when the classifier was made"
            how_zh = f"制作分类器时就在{_PARTS_ZH.get(part, part)}里"
            if part == "decision":
                how = "served to fit its decision, this one or an earlier one"
                how_zh = "用来拟合过它的判定（现在的或从前的）"
            yield Note(
                f"{rows:,} of these rows {how}: on them it is judged too kindly",
                f"其中 {rows:,} 行{how_zh}：在这些行上，它得到的评价偏高",
                warning=True,
            )


def _subsets(report: "Report") -> Iterator[Note]:
    main = MAIN_FIGURE[report.task]
    for subset in report.subsets:
        figure = shown(subset.figures[main])
        english, chinese = _SUBSETS[subset.name]
        name = "准确率" if main == "accuracy" else f"{FIGURE_NAMES[main]} "
        yield Note(
            f"{FIGURE_NAMES[main]} on the {subset.rows:,} rows {english}: {figure}",
            f"只看{chinese} {subset.rows:,} 行，{name}是 {figure}",
        )


def _labels(report: "Report") -> Iterator[Note]:
    present = [line for line in report.labels if line.support]
    absent = [line.label for line in report.labels if not line.support]
    if absent:
        more = len(absent) - _NAMED
        names = ", ".join(absent[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        names_zh = "、".join(absent[:_NAMED]) + (" 等" if more > 0 else "")
        macro = sum(line.f1 for line in present) / max(1, len(present))
        yield Note(
            f"of {len(report.labels)} labels {counted(len(absent), 'does', 'do')} not occur in these rows: {names}. "
            f"They count 0 in macro averages, as in scikit-learn; over the labels that occur, macro-F1 is {macro:.4f}",
            f"{len(report.labels)} 个标签里有 {len(absent)} 个在这些行中没有出现：{names_zh}。"
            f"宏平均里它们按 0 计（与 scikit-learn 相同）；只看出现的标签，macro-F1 是 {macro:.4f}",
            warning=True,
        )
    rare = sum(line.support < FEWEST_ROWS for line in present)
    if rare > _RARE_SHARE * len(present):
        yield Note(
            f"of {len(report.labels)} labels {counted(rare, 'has', 'have')} fewer than {FEWEST_ROWS} rows: "
            "their own figures and intervals say little; how far they lie apart widens the interval of macro-F1",
            f"{len(report.labels)} 个标签里有 {rare} 个不到 {FEWEST_ROWS} 行：它们各自的数字和区间说明不了什么；"
            "它们之间差多远，算进了 macro-F1 的区间",
            warning=True,
        )
    if report.rows_without_label:
        yield Note(
            f"{counted(report.rows_without_label, 'row has', 'rows have')} no label; a row with neither a true nor a "
            "predicted label counts 0 in samples averages, as in scikit-learn",
            f"{report.rows_without_label:,} 行没有标签；真实标签和预测标签都为空的行，"
            "在按样本的平均里计 0（与 scikit-learn 相同）",
        )
    if report.rows_given_no_label == report.rows:
        yield Note(
            "the classifier gave no label to any row",
            "分类器没有给任何一行打上标签",
            warning=True,
        )


def _in_chinese(blend: Blend) -> str:
    return f"{blend.encoder:.3f} × 编码器的 + {blend.baseline:.3f} × TF-IDF 的"
