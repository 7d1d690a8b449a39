import numpy as np
import pytest

from fenlei.errors import DataError
from fenlei.judge.scores import scores_from_logits


def test_sigmoid_keeps_order_and_digits_far_from_zero():
    logits = np.array([[-700.0, -40.0, 0.0, 20.0, 30.0, 800.0]], dtype=np.float32)
    scores = scores_from_logits(logits, "multilabel")[0]
    assert scores[2] == 0.5
    assert scores[0] == pytest.approx(np.exp(-700.0), rel=1e-12)
    assert scores[1] == pytest.approx(np.exp(-40.0), rel=1e-12)
    assert scores[3] < scores[4] < scores[5] == 1.0


def test_softmax_sums_to_one_whatever_the_offset():
    logits = np.array([[1000.0, 1001.0], [-1000.0, -999.0]])
    scores = scores_from_logits(logits, "multiclass")
    assert scores.sum(axis=1) == pytest.approx([1, 1])
    assert scores[0] == pytest.approx(scores[1])
    assert scores[0, 1] == pytest.approx(1 / (1 + np.exp(-1)))


def test_no_rows_give_no_scores():
    for task in ("multilabel", "multiclass"):
        assert scores_from_logits(np.zeros((0, 3), np.float32), task).shape == (0, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_refused(bad):
    logits = np.zeros((3, 2), dtype=np.float32)
    logits[1, 0] = bad
    with pytest.raises(DataError, match=r"1 of 3 texts are not finite numbers; the first is text 1") as caught:
        scores_from_logits(logits, "multilabel")
    assert "diverged" in caught.value.hint
