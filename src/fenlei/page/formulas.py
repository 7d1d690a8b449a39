"""Every figure of a report with its formula and with when it misleads, in Chinese and in English.

docs/report.md and docs/report.zh-CN.md say more; a test holds them to the same names.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Formula:
    """One figure.

    Attributes:
        name: as in `FIGURE_NAMES`, or a column of a table.
        chinese_name: the same for who reads Chinese.
        formula: in plain characters.
        chinese, english: what it says, and when it misleads.
    """

    name: str
    chinese_name: str
    formula: str
    chinese: str
    english: str

    @property
    def anchor(self) -> str:
        """Its place in the page."""
        return "formula-" + self.name.lower().replace(",", "").replace(" ", "-")


FORMULAS = {
    one.name: one
    for one in (
        Formula(
            name="precision",
            chinese_name="精确率",
            formula="P = TP / (TP + FP)",
            chinese="给出去的标签里，对的占多少。给得越少，越容易高：要和召回率一起看。",
            english="Of the labels given, the share that is right. Giving few makes it high: read it with recall.",
        ),
        Formula(
            name="recall",
            chinese_name="召回率",
            formula="R = TP / (TP + FN)",
            chinese="该给的标签里，给了的占多少。什么都给就是 1：要和精确率一起看。",
            english="Of the labels that are true, the share that was given. Giving everything makes it 1: read it "
            "with precision.",
        ),
        Formula(
            name="micro-F1",
            chinese_name="micro-F1（微平均）",
            formula="F1 = 2·ΣTP / (2·ΣTP + ΣFP + ΣFN)",
            chinese="所有标签的判断加在一起算一个 F1。常见的标签说了算：稀有标签全错，它也几乎不动。",
            english="One F1 from the decisions on all labels together. Frequent labels decide it: rare ones can all be "
            "wrong and it hardly moves.",
        ),
        Formula(
            name="macro-F1",
            chinese_name="macro-F1（宏平均）",
            formula="(1/C)·Σ F1(c)",
            chinese="每个标签的 F1 再取平均，标签不论多少一视同仁。"
            "只有几行的标签也占一份，所以它晃得厉害；没有出现的标签按 0 计。",
            english="The mean of the labels' F1, each label alike. Labels with a handful of rows count as much as any, "
            "so it is unsteady; labels that do not occur count 0.",
        ),
        Formula(
            name="weighted-F1",
            chinese_name="weighted-F1（加权平均）",
            formula="Σ n(c)·F1(c) / Σ n(c)",
            chinese="按每个标签的行数加权的 F1 平均，和 micro-F1 一样偏向常见标签。",
            english="The mean of the labels' F1, weighted by their rows; leans to frequent labels, as micro-F1 does.",
        ),
        Formula(
            name="samples-F1",
            chinese_name="samples-F1（按样本平均）",
            formula="(1/B)·Σ F1(row)",
            chinese="每一行自己算 F1 再平均。没有标签也没给标签的行本来全对，这里却按 0 计（与 scikit-learn 相同）。",
            english="The mean of each row's own F1. A row that has no label and was given none is right and yet counts "
            "0, as in scikit-learn.",
        ),
        Formula(
            name="accuracy",
            chinese_name="准确率",
            formula="right rows / rows",
            chinese="判对的行占多少。一类占九成时，永远猜这一类就有 0.9。",
            english="The share of rows that are right. Where nine rows in ten are of one class, "
            "guessing it always gives 0.9.",
        ),
        Formula(
            name="subset accuracy",
            chinese_name="标签全对率",
            formula="rows with exactly the true labels / rows",
            chinese="标签一个不多、一个不少的行占多少。最严的一个；每行标签越多越难。",
            english="The share of rows whose labels are exactly right. The strictest; "
            "harder the more labels a row has.",
        ),
        Formula(
            name="Hamming loss",
            chinese_name="汉明损失",
            formula="(FP + FN) / (B·C)",
            chinese="全部“行 × 标签”的判断里错的占多少。标签多了，什么都不给也很低：不要拿它跨任务比较。",
            english="The share of wrong decisions among all rows x labels. With many labels giving nothing scores well "
            "too: do not compare it between tasks.",
        ),
        Formula(
            name="mean average precision",
            chinese_name="平均精度均值",
            formula="AP(c) = Σ (R(k) − R(k−1))·P(k);  mAP = (1/C)·Σ AP(c)",
            chinese="不管阈值，只看每个标签的分数把对的行排得多靠前。排得好不等于判得好：阈值不合适，F1 照样低。",
            english="Whatever the thresholds, how well each label's scores put its rows first. Good ranking is not "
            "good deciding: with a poor threshold F1 is low all the same.",
        ),
        Formula(
            name="calibration error",
            chinese_name="校准误差",
            formula="ECE = Σ (n(b)/n)·|mean score(b) − share right(b)|, 15 bins",
            chinese="分数说 0.8 的，是不是五个里真对四个。"
            "多标签时绝大多数是接近 0 的“不是”，它因此总是很小：只和校准前比，不跨任务比。",
            english="Whether what is scored 0.8 is right four times in five. With many labels most forecasts are easy "
            "noes near 0, which keeps it small: compare before and after calibration, never across tasks.",
        ),
        Formula(
            name="Brier score",
            chinese_name="Brier 分数",
            formula="mean of (score − truth)²",
            chinese="分数与事实之差的平方的平均（多类时先对各类求和），越小越好；排得准、报得准都算在内。多标签时同样因为“不是”太多而偏小。",
            english="The mean squared distance of scores from truth (of several classes their sum), lower is better; "
            "ranking and honesty in one. Small with many labels for the same reason.",
        ),
        Formula(
            name="95% interval",
            chinese_name="95% 区间",
            formula="2.5th and 97.5th percentile over resamples of the rows",
            chinese="换一批同样来路的行，这个数大概会落在哪里。它不管标注错误、训练的随机性，也不管将来的文本变了样；只有几行的标签，区间本身也不可靠。",
            english="Where the figure would land on other rows from the same source. It knows nothing of wrong labels, "
            "of the chance in training, or of texts that change; with a handful of rows it is itself unreliable.",
        ),
        Formula(
            name="difference",
            chinese_name="差",
            formula="classifier − baseline, on the same resamples",
            chinese="两个系统在同样的行上之差。区间不含 0，才算超出偶然；看的指标多了，总会有几个碰巧不含 0。",
            english="Of two systems on the same rows. Beyond chance only if the interval leaves out 0; of many figures "
            "a few leave it out by chance.",
        ),
        Formula(
            name="head, middle, tail",
            chinese_name="常见、中等、稀有标签",
            formula="head: more frequent labels hold < 1/2 of all assignments; middle: < 9/10; tail: the rest",
            chinese="按训练行数（不知道时按这里的行数）把标签分成三段，各自评价。稀有一段常常只有很少的行：先看区间。",
            english="Labels in three groups by their training rows (by the rows here where those are not known), each "
            "judged alone. The tail often has few rows: look at the interval first.",
        ),
        Formula(
            name="threshold",
            chinese_name="阈值",
            formula="label given ⇔ score ≥ threshold (before rules)",
            chinese="分数到了这里就给这个标签；在训练没用过的行上定的，不是在这份数据上。",
            english="The score from which a label is given; fitted on rows that were not trained on, never on these.",
        ),
    )
}
