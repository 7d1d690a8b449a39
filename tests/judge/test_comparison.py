import csv
import io
import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from fenlei.errors import DataError
from fenlei.judge.comparison import changed_csv, compare_classifiers

LABELS = ["甲", "乙", "丙"]


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)
    truth = (rng.random((300, 3)) < 0.4).astype(np.uint8)
    first = truth ^ (rng.random(truth.shape) < [0.2, 0.2, 0.2])
    second = truth ^ (rng.random(truth.shape) < [0.02, 0.2, 0.4])
    return truth, first.astype(np.uint8), second.astype(np.uint8)


def test_of_one_or_two_rows_nothing_is_told():
    truth = np.zeros((50, 3), dtype=np.uint8)
    truth[:1, 0] = truth[:2, 1] = truth[:3, 2] = 1
    found = compare_classifiers(truth, np.zeros_like(truth), truth, LABELS, "multilabel")
    assert [line.support for line in found.labels] == [1, 2, 3]
    assert [line.difference.value for line in found.labels] == [1, 1, 1]
    assert [line.beyond_chance for line in found.labels] == [False, False, True]
    assert "2 labels have fewer than 3 rows and no verdict" in found.to_text("旧", "新")


def test_differences_are_those_of_scikit_learn_and_the_marks_right(tables):
    truth, first, second = tables
    found = compare_classifiers(truth, first, second, LABELS, "multilabel")
    for average in ("micro", "macro"):
        expected = [f1_score(truth, given, average=average) for given in (first, second)]
        assert [found.first[f"{average}_f1"], found.second[f"{average}_f1"]] == pytest.approx(expected)
        figure = found.differences[f"{average}_f1"]
        assert figure.value == pytest.approx(expected[1] - expected[0])
        assert figure.interval.low <= figure.value <= figure.interval.high
    assert [line.beyond_chance for line in found.labels] == [True, False, True]
    assert found.labels[0].difference.value > 0 > found.labels[2].difference.value
    text = found.to_text("旧", "新")
    assert text.index("丙") < text.index("乙") < text.index("甲")
    assert "2 of 3 labels differ beyond chance" in text
    assert json.loads(json.dumps(found.to_dict()))["labels"][0]["beyond_chance"] is True


def test_the_same_answers_differ_nowhere(tables):
    truth, first, _ = tables
    found = compare_classifiers(truth, first, first, LABELS, "multilabel")
    assert all(
        figure.value == figure.interval.low == figure.interval.high == 0 for figure in found.differences.values()
    )
    assert not any(line.beyond_chance for line in found.labels)
    assert found.changed == ()
    assert found.only_first_right == found.only_second_right == 0


def test_changed_rows_are_listed_with_who_was_right(tables):
    truth, first, second = tables
    found = compare_classifiers(truth, first, second, LABELS, "multilabel")
    assert len(found.changed) == (first != second).any(axis=1).sum()
    texts = [f"文本{number}" for number in range(300)]
    rows = list(csv.DictReader(io.StringIO(changed_csv(found, texts, texts, tables, LABELS))))
    assert len(rows) == len(found.changed)
    assert sum(row["right"] == "first" for row in rows) == found.only_first_right
    assert sum(row["right"] == "second" for row in rows) == found.only_second_right
    assert rows[0]["first"] != rows[0]["second"]


def test_rows_of_a_group_are_drawn_together_and_no_rows_are_refused(tables):
    truth, first, second = tables
    alone = compare_classifiers(truth, first, second, LABELS, "multilabel").differences["micro_f1"].interval
    # Groups of rows where the second is better, alike, or worse: what a draw of whole groups varies most.
    order = np.argsort((first != truth).sum(axis=1) - (second != truth).sum(axis=1, dtype=int), kind="stable")
    sorted_tables = [table[order] for table in tables]
    groups = [str(number // 30) for number in range(300)]
    grouped = compare_classifiers(*sorted_tables, LABELS, "multilabel", groups=groups).differences["micro_f1"].interval
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)
    with pytest.raises(DataError, match="there are no rows to compare on"):
        compare_classifiers(truth[:0], first[:0], second[:0], LABELS, "multilabel")
