import csv
import io

import numpy as np
import pytest

from fenlei.judge.decision import Decision
from fenlei.judge.error_rows import error_rows, errors_csv

LABELS = ["体育", "财经", "科技"]


def test_multilabel_errors_come_most_confident_first():
    truth = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]])
    scores = np.array([[0.9, 0.1, 0.0], [0.3, 0.2, 0.45], [0.1, 0.7, 0.94], [0.1, 0.1, 0.1]])
    decision = Decision(task="multilabel", thresholds=0.4)
    errors = error_rows(list("abcd"), ["t0", "t1", "t2", "t3"], truth, scores, decision, LABELS)
    assert [row.id for row in errors] == ["c", "b"]
    first, second = errors
    assert (first.text, first.labels, first.predicted) == ("t2", ("财经",), ("财经", "科技"))
    assert (first.missed, first.wrong) == ((), (("科技", 0.94),))
    assert first.confidence == pytest.approx((0.94 - 0.4) / 0.6)
    assert (second.missed, second.wrong) == ((("体育", 0.3),), (("科技", 0.45),))
    # The missed label is a quarter of the way from its border to 0; the wrong one much nearer to its own.
    assert second.confidence == pytest.approx(0.25)


def test_multiclass_confidence_is_the_lead_over_the_true_label():
    scores = np.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25]])
    errors = error_rows(["a", "b"], ["", ""], np.eye(3)[[2, 1]], scores, Decision.default("multiclass"), LABELS)
    assert [row.confidence for row in errors] == pytest.approx([0.6, 0.05])
    assert errors[0].missed == (("科技", 0.1),)


def test_thresholds_at_the_ends_of_the_scale():
    decision = Decision(task="multilabel", thresholds=(1.0, 0.0, 0.5))
    truth, scores = np.array([[0, 0, 0]]), np.array([[1.0, 0.0, 0.0]])
    (row,) = error_rows(["a"], ["t"], truth, scores, decision, LABELS)
    assert row.confidence == 0


def test_no_errors_no_rows():
    truth = np.eye(3)
    assert error_rows(list("abc"), list("abc"), truth, truth, Decision.default("multilabel"), LABELS) == []


def test_csv_keeps_texts_with_commas_quotes_and_line_breaks():
    text = '他说："涨了，\n还是跌了？"'
    errors = error_rows(
        ["1"],
        [text],
        np.array([[1, 0, 1]]),
        np.array([[0.25, 0.9, 0.1]]),
        Decision.default("multilabel"),
        LABELS,
    )
    header, row = csv.reader(io.StringIO(errors_csv(errors)))
    assert header == ["id", "text", "labels", "predicted", "missed", "wrong", "confidence"]
    assert row == ["1", text, "体育|科技", "财经", "体育 0.2500|科技 0.1000", "财经 0.9000", "0.8000"]
