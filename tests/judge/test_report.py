import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_recall_fscore_support

from fenlei.errors import DataError
from fenlei.judge.blend import Blend
from fenlei.judge.bootstrap import Interval, resampled_reliability
from fenlei.judge.decision import Decision
from fenlei.judge.evaluation import Baseline, build_report
from fenlei.judge.figures import Figure, shown
from fenlei.judge.reliability import Reliability
from fenlei.judge.rules import Rules
from fenlei.judge.thresholds import MICRO_F1, fit_thresholds
from fenlei.plain_table import aligned, display_width

LABELS = ["财经/交易", "sport", "组织关系-裁员", "缺席"]
SEEN = {"train": np.arange(80) < 3, "dev": np.zeros(80, bool)}


@pytest.fixture
def truth():
    table = (np.random.default_rng(0).random((80, 4)) < 0.3).astype(np.uint8)
    table[:, 3] = 0
    return table


@pytest.fixture
def scores(truth):
    return np.clip(0.45 * truth + 0.6 * np.random.default_rng(1).random(truth.shape), 0, 1)


@pytest.fixture
def report(truth, scores):
    baseline = Baseline(name="TF-IDF + linear", predicted=(scores > 0.8).astype(np.uint8), scores=scores**2)
    decision = Decision(task="multilabel", thresholds=(0.5, 0.5, 0.5, 0.7))
    return build_report(truth, scores, decision, LABELS, baseline=baseline, seen=SEEN)


def test_figures_are_those_of_scikit_learn(report, truth, scores):
    predicted = scores >= [0.5, 0.5, 0.5, 0.7]
    each = precision_recall_fscore_support(truth, predicted, average=None, zero_division=0)
    assert [line.precision for line in report.labels] == pytest.approx(each[0])
    assert [line.recall for line in report.labels] == pytest.approx(each[1])
    assert [line.f1 for line in report.labels] == pytest.approx(each[2])
    assert [line.support for line in report.labels] == list(each[3])
    assert [line.threshold for line in report.labels] == [0.5, 0.5, 0.5, 0.7]
    for line in report.averages:
        average = line.name.removesuffix(" avg")
        expected = precision_recall_fscore_support(truth, predicted, average=average, zero_division=0)
        assert (line.precision, line.recall, line.f1) == pytest.approx(expected[:3])
        assert report.figures[f"{average}_f1"].value == line.f1
    areas = [average_precision_score(truth[:, i], scores[:, i]) for i in range(3)]
    assert [line.average_precision for line in report.labels] == pytest.approx([*areas, 0])
    assert report.figures["mean_average_precision"].value == pytest.approx(sum(areas) / 4)


def test_every_figure_lies_in_its_interval_and_differences_are_paired(report):
    for name, figure in report.figures.items():
        assert figure.interval.low <= figure.value <= figure.interval.high
        other, difference = report.comparison.figures[name], report.comparison.differences[name]
        assert difference.value == pytest.approx(figure.value - other.value)
    # The same ranking: no difference in any resample.
    assert report.comparison.differences["mean_average_precision"].interval.low == 0
    assert report.main_figure is report.figures["micro_f1"]


def test_two_that_are_calibrated_alike_do_not_differ_beyond_chance():
    beyond = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        true = rng.normal(-2, 2, (60, 8))
        table = (rng.random(true.shape) < 1 / (1 + np.exp(-true))).astype(np.uint8)
        one, other = (1 / (1 + np.exp(-1.25 * true - rng.normal(0, 0.3, true.shape))) for _ in range(2))
        baseline = Baseline(name="another", predicted=(other > 0.5).astype(np.uint8), scores=other)
        labels = [f"类{number}" for number in range(8)]
        found = build_report(table, one, Decision(task="multilabel", thresholds=0.5), labels, baseline=baseline)
        assert found.figures["calibration_error"].interval.low >= 0
        beyond += found.comparison.differences["calibration_error"].interval.leaves_out_zero
    assert beyond <= 1


def test_a_difference_of_calibration_errors_covers_both_ways_of_reading_the_resamples(report, truth, scores):
    errors = [
        resampled_reliability(Reliability.of(truth, given, "multilabel"), seed=0)["calibration_error"]
        for given in (scores, scores**2)
    ]
    low, high = np.quantile(errors[0] - errors[1], [0.025, 0.975])
    difference = report.comparison.differences["calibration_error"]
    mirrored = 2 * difference.value - high, 2 * difference.value - low
    found = difference.interval.low, difference.interval.high
    assert found == pytest.approx((min(low, mirrored[0]), max(high, mirrored[1])))
    assert low != pytest.approx(mirrored[0])


def test_text_is_aligned_with_chinese_labels_two_columns_wide(report):
    table = report.to_text().split("\n\n")
    labels = table[1].splitlines()
    assert {display_width(line) for line in labels} == {display_width(table[0])}
    assert labels[0].split()[0] == "财经/交易"
    assert labels[3].endswith("absent")
    assert table[2].split() == [
        word
        for line in report.averages
        for word in [
            *line.name.split(),
            *(f"{value:.4f}" for value in (line.precision, line.recall, line.f1)),
            str(line.support),
        ]
    ]
    figure, difference = report.main_figure, report.comparison.differences["micro_f1"]
    assert f"micro-F1  {figure.value:.4f} [{figure.interval.low:.4f}, " in report.to_text()
    assert f"+{difference.value:.4f} [" in report.to_text()


def test_notes_say_what_a_reader_must_know(report, truth):
    text = report.to_text()
    method = "percentile bootstrap (basic for the calibration error), 1,000 resamples (100 for mean average precision)"
    assert f"80 rows; 95% intervals: {method}" in text
    assert "of 4 labels 1 does not occur in these rows: 缺席" in text
    macro = sum(line.f1 for line in report.labels[:3]) / 3
    assert f"over the labels that occur, macro-F1 is {macro:.4f}" in text
    assert f"{(truth.sum(axis=1) == 0).sum()} rows have no label" in text
    assert "3 of these rows were in the train part" in text
    assert "dev part" not in text
    assert "micro-F1 on the 77 rows not seen when the classifier was made: " in text
    assert "no label to any row" not in text


def test_rows_that_were_seen_are_judged_with_and_without(report, truth, scores):
    decision = Decision(task="multilabel", thresholds=(0.5, 0.5, 0.5, 0.7))
    alone = build_report(truth[3:], scores[3:], decision, LABELS)
    (unseen,) = report.subsets
    assert unseen.rows == 77
    assert unseen.figures == alone.figures
    unknown = build_report(truth, scores, decision, LABELS, seen=None)
    assert "keeps no fingerprints" in unknown.to_text()
    assert unknown.subsets == ()
    everything = build_report(truth, scores, decision, LABELS, seen={"train": np.ones(80, bool)})
    assert everything.subsets == ()
    assert "80 of these rows were in the train part" in everything.to_text()
    refitted = build_report(truth, scores, decision, LABELS, seen={"decision": SEEN["train"]})
    assert "3 of these rows served to fit its decision, this one or an earlier one" in refitted.to_text()


def test_the_oracle_is_never_below_what_was_reached():
    """Thresholds are fitted without the rules, and with them another may be better."""
    truth = np.array([[0, 1], [0, 1], [0, 1], [0, 0]])
    scores = np.array([[0.1, 0.4], [0.5, 0.9], [0.3, 0.8], [0.1, 0.4]])
    decision = Decision(task="multilabel", thresholds=0.35, rules=Rules(exclusive=((0, 1),)))
    fitted = replace(decision, thresholds=fit_thresholds(scores, truth, MICRO_F1, "global"))
    report = build_report(truth, scores, decision, ["甲", "乙"])
    assert f1_score(truth, fitted.apply(scores), average="micro") < report.main_figure.value == report.oracle


def test_the_oracle_and_calibration_before_are_told_apart_from_what_was_reached(truth, scores):
    decision = Decision(task="multilabel", thresholds=0.9)
    report = build_report(truth, scores, decision, LABELS, uncalibrated=scores**3)
    best = fit_thresholds(scores, truth, MICRO_F1, "global")
    reached = f1_score(truth, scores >= best, average="micro")
    assert report.oracle == pytest.approx(reached)
    assert report.oracle > report.main_figure.value
    note = (
        f"would reach micro-F1 {reached:.4f} (+{reached - report.main_figure.value:.4f}): a bound that nobody can know"
    )
    assert note in report.to_text()
    brier = ((scores**3 - truth) ** 2).mean()
    assert report.before_calibration["brier_score"] == pytest.approx(brier)
    assert f"the Brier score {brier:.4f}" in report.to_text()
    assert report.figures["brier_score"].value == pytest.approx(((scores - truth) ** 2).mean())


def test_a_blend_is_told(truth, scores):
    decision = Decision.default("multilabel")
    blended = build_report(truth, scores, decision, LABELS, blend=Blend(encoder=0.25, baseline=1.5))
    assert "a blend of two models' logits: 0.250 x the encoder's + 1.500 x TF-IDF's" in blended.to_text()
    assert blended.to_dict()["blend"] == {"encoder": 0.25, "baseline": 1.5}
    assert "blend" not in build_report(truth, scores, decision, LABELS).to_text()


def test_rows_for_a_person_are_counted_and_the_rest_judged_alone(truth, scores):
    decision = Decision(task="multilabel", thresholds=0.5, person_below=0.05)
    report = build_report(truth, scores, decision, LABELS)
    unsure = (np.abs(scores - 0.5) < 0.05).any(axis=1)
    assert report.rows_for_a_person == unsure.sum() > 0
    (sure,) = report.subsets
    assert sure.figures == build_report(truth[~unsure], scores[~unsure], decision, LABELS).figures
    assert f"{unsure.mean():.1%} of the rows ({unsure.sum()}) are so uncertain" in report.to_text()


def test_a_classifier_that_predicts_nothing_is_called_so(truth):
    report = build_report(truth, np.zeros(truth.shape), Decision.default("multilabel"), LABELS)
    assert "the classifier gave no label to any row" in report.notes()
    assert report.comparison is None
    assert report.figures["micro_f1"].value == 0


def test_many_absent_labels_are_counted_not_all_named():
    truth = np.zeros((2, 13), np.uint8)
    truth[:, 0] = 1
    names = [f"label {i}" for i in range(13)]
    report = build_report(truth, truth.astype(float), Decision.default("multilabel"), names)
    assert any("label 10 and 2 more." in note for note in report.notes())


def test_csv_holds_labels_averages_and_figures(report):
    rows = list(csv.reader(io.StringIO(report.to_csv())))
    assert rows[0][:5] == ["label", "precision", "recall", "f1-score", "support"]
    assert [row[0] for row in rows[1:5]] == LABELS
    assert float(rows[1][3]) == report.labels[0].f1
    assert rows[5][0] == "micro avg"
    assert {len(row) for row in rows[:9]} == {11}
    assert float(rows[1][9]) == report.labels[0].f1_interval.high
    gap = rows.index([])
    assert rows[gap + 1][0:5] == [
        "figure",
        "classifier",
        "classifier low",
        "classifier high",
        "TF-IDF + linear",
    ]
    assert rows[gap + 2][0] == "micro-F1"
    assert float(rows[gap + 2][7]) == report.comparison.differences["micro_f1"].value


def test_json_is_plain_and_whole(report):
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain["labels"][0]["f1"] == report.labels[0].f1
    assert plain["figures"]["micro_f1"]["interval"]["low"] == report.main_figure.interval.low
    assert plain["comparison"]["differences"]["macro_f1"]["value"] is not None
    assert plain["notes"] == list(report.notes())


def test_multiclass_has_accuracy_instead_of_micro_and_samples():
    scores = np.random.default_rng(0).dirichlet(np.ones(3), size=50)
    truth = np.eye(3, dtype=np.uint8)[np.arange(50) % 3]
    report = build_report(truth, scores, Decision.default("multiclass"), list("abc"))
    assert list(report.figures) == ["accuracy", "macro_f1", "weighted_f1", "calibration_error", "brier_score"]
    assert report.main_figure.value == (scores.argmax(axis=1) == np.arange(50) % 3).mean()
    assert [line.name for line in report.averages] == ["macro avg", "weighted avg"]
    assert report.labels[0].threshold is None
    assert "accuracy" in report.to_text()
    assert "mean average precision" not in report.to_text()


def test_groups_widen_the_interval():
    truth = np.ones((200, 1), np.uint8)
    scores = (np.arange(200) // 20 % 2)[:, None].astype(float)
    decision = Decision.default("multilabel")
    alone = build_report(truth, scores, decision, ["a"]).figures["subset_accuracy"].interval
    report = build_report(truth, scores, decision, ["a"], groups=[str(i // 20) for i in range(200)])
    grouped = report.figures["subset_accuracy"].interval
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    assert "200 rows in 10 groups" in report.to_text()


def test_arrays_that_do_not_fit_are_refused():
    decision = Decision.default("multilabel")
    with pytest.raises(ValueError, match=r"truth \(2, 2\), scores \(2, 2\) and 1 labels do not fit"):
        build_report(np.zeros((2, 2)), np.zeros((2, 2)), decision, ["a"])
    with pytest.raises(DataError, match="there are no rows to judge"):
        build_report(np.zeros((0, 2)), np.zeros((0, 2)), decision, ["a", "b"])
    with pytest.raises(ValueError, match="exactly one label a row"):
        build_report(np.zeros((1, 2)), np.zeros((1, 2)), Decision.default("multiclass"), ["a", "b"])


def test_full_width_and_combining_characters():
    assert [display_width(text) for text in ("ab", "中文", "，", "e\u0301", "ｱ")] == [2, 4, 2, 1, 1]
    assert aligned([["中文", "1"], ["a", "23"]]) == ["中文   1", "   a  23"]


def test_a_difference_that_rounds_to_nothing_has_no_minus():
    assert shown(Figure(-0.00001, Interval(-0.00004, 0.00002)), "+") == "+0.0000 [+0.0000, +0.0000]"


@pytest.mark.parametrize(("rare", "told"), [(1, True), (0, False)])
def test_where_labels_have_one_or_two_rows_macro_f1_is_said_to_be_less_sure_than_it_looks(rare, told):
    truth = np.zeros((60, 8), dtype=np.uint8)
    truth[np.arange(60), np.arange(60) % (8 - rare)] = 1
    truth[: 2 * rare, 7] = 1
    names = [f"类{number}" for number in range(8)]
    text = build_report(truth, truth * 0.9, Decision.default("multilabel"), names).to_text()
    assert ("of 8 labels 1 has fewer than 3 rows" in text) is told
