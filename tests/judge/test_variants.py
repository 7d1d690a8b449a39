"""Several ways of training against the default: intervals as two classifiers have them, groups and seeds by hand."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from fenlei.errors import DataError
from fenlei.judge.comparison import compare_classifiers
from fenlei.judge.variants import Answers, compare_variants, judged_labels

RANDOM = np.random.default_rng(5)
TRUTH = (RANDOM.random((80, 7)) < [0.6, 0.4, 0.3, 0.2, 0.1, 0.1, 0]).astype(np.uint8)
SUPPORT = np.array([50, 40, 9, 30, 3, 20, 1])


def answers(wrong, seed, seconds=10.0):
    flips = (np.random.default_rng(seed).random(TRUTH.shape) < wrong).astype(np.uint8)
    return Answers(tuned=TRUTH ^ flips, untuned=np.zeros_like(TRUTH), seconds=seconds)


RUNS = {
    "plain": {1: answers(0.2, 1), 2: answers(0.2, 2, seconds=30.0)},
    "good": {2: answers(0.05, 3), 1: answers(0.05, 4), 9: answers(0.9, 9)},
    # As often wrong as "plain", elsewhere; other draws of one in twenty would look beyond chance.
    "alike": {1: answers(0.2, 15), 2: answers(0.2, 16)},
    "elsewhere": {7: answers(0.2, 7)},
}


def compared(runs=None, task="multilabel", **more):
    return compare_variants(TRUTH, runs or RUNS, SUPPORT, task, default="plain", **more)


def test_of_one_seed_the_differences_are_those_of_two_classifiers():
    runs = {"plain": {1: RUNS["plain"][1]}, "good": {1: RUNS["good"][1]}}
    groups = np.array([str(row // 3) for row in range(80)])
    names = [str(number) for number in range(7)]
    for drawn in (None, groups):
        expected = compare_classifiers(
            TRUTH, runs["plain"][1].tuned, runs["good"][1].tuned, names, "multilabel", groups=drawn
        )
        line = compared(runs, groups=drawn).lines[1]
        for name, difference in expected.differences.items():
            assert line.differences[name].value == pytest.approx(difference.value)
            assert line.differences[name].interval.low == pytest.approx(difference.interval.low)
            assert line.differences[name].interval.high == pytest.approx(difference.interval.high)
        assert line.spread == {}


def test_labels_are_grouped_by_training_rows_and_those_that_nobody_judges_left_out():
    """Of 153 assignments more frequent labels hold 0, 50 | 90, 120 | 140, 149, 152: half and nine tenths between."""
    head, middle, tail = compared().label_groups
    assert (head.fewest, head.most, head.judged) == (40, 50, (0, 1))
    assert (middle.fewest, middle.most, middle.judged) == (20, 30, (3, 5))
    assert (tail.labels, tail.judged) == (3, (2, 4))
    for group in (head, middle, tail):
        # Label by label: scikit-learn would take a table of one column for a binary task of two classes.
        by_hand = [
            f1_score(TRUTH[:, label], RUNS["good"][seed].tuned[:, label]) for seed in (1, 2) for label in group.judged
        ]
        assert compared().lines[1].figures[f"{group.name}_f1"].value == pytest.approx(np.mean(by_hand))


def test_labels_of_one_frequency_are_not_grouped():
    assert judged_labels(np.array([3, 3]), TRUTH[:, :2]) == ()
    table = compare_variants(TRUTH[:, :2], cut(RUNS), np.array([3, 3]), "multilabel", default="plain")
    assert "head" not in table.to_text()


def cut(runs):
    return {name: {seed: Answers(a.tuned[:, :2], None, 1.0) for seed, a in own.items()} for name, own in runs.items()}


def test_seeds_that_both_have_are_averaged_and_their_spread_stands_beside():
    table = compared()
    plain, good, _ = table.lines
    each = [f1_score(TRUTH, RUNS["good"][seed].tuned, average="micro") for seed in (1, 2)]
    assert good.seeds == (1, 2)
    assert good.figures["micro_f1"].value == pytest.approx(np.mean(each))
    assert good.spread["micro_f1"] == pytest.approx(np.std(each, ddof=1))
    assert good.differences["micro_f1"].value == pytest.approx(np.mean(each) - plain.figures["micro_f1"].value)
    assert plain.differences == {}
    assert plain.seconds == 20
    assert table.without_seed == ("elsewhere",)


def test_what_lies_beyond_chance_is_called_better_or_worse():
    assert [line.verdict for line in compared().lines] == ["", "better", ""]
    turned = {"plain": RUNS["good"], "good": RUNS["plain"]}
    assert [line.verdict for line in compared(turned).lines] == ["", "worse"]


def test_the_tables_say_what_they_need_to_be_read():
    text = compared().to_text()
    good = next(line for line in text.splitlines() if line.startswith(" good"))
    assert "±" in good
    assert "better" in good
    assert good.split()[-1] == "10"
    assert "80 judged rows; 2 seed(s)" in text
    assert "tail: the 3 labels with 1 to 9 training rows, 2 of them in judged rows" in text
    assert "at 0.5: micro-F1 without calibration" in text
    assert "were all 2 like plain, about 0.1 would look better or worse" in text
    assert "left out, without a seed that plain has: elsewhere" in text
    assert "another seed" not in text
    single = {"plain": {1: RUNS["plain"][1]}}
    assert "another seed would move a figure is not in the intervals" in compared(single).to_text()


def test_classes_have_an_accuracy_and_nothing_untuned():
    truth = np.eye(7, dtype=np.uint8)[RANDOM.integers(0, 6, 60)]
    runs = {name: {1: Answers(truth if name == "b" else truth[::-1], None, 1.0)} for name in ("a", "b")}
    table = compare_variants(truth, runs, SUPPORT, "multiclass", default="a")
    assert table.lines[1].figures["accuracy"].value == 1
    assert table.lines[1].verdict == "better"
    assert "at 0.5" not in table.to_text()


def test_plain_json_values():
    plain = json.loads(json.dumps(compared().to_dict()))
    assert plain["lines"][1]["verdict"] == "better"
    assert plain["lines"][1]["differences"]["macro_f1"]["interval"]["low"] > 0
    assert plain["label_groups"][0]["judged"] == [0, 1]


def test_without_rows_nothing_is_judged():
    with pytest.raises(DataError, match="there are no rows to judge on"):
        compare_variants(TRUTH[:0], RUNS, SUPPORT, "multilabel", default="plain")
