import numpy as np
import pytest

from fenlei.errors import DataError
from fenlei.text.example import Example
from fenlei.text.labels import LabelSet, settle_task


def rows(*labels):
    return [Example(str(number), "文", label) for number, label in enumerate(labels)]


def test_the_task_is_multiclass_only_if_every_row_has_one_label():
    assert settle_task(rows(("甲",), ("乙",))) == "multiclass"
    assert settle_task(rows(("甲",), ())) == "multilabel"
    assert settle_task(rows(("甲", "乙"), ("乙",))) == "multilabel"


def test_the_order_does_not_depend_on_the_rows():
    one = LabelSet.from_examples(rows(("乙", "甲"), ("丙",)))
    other = LabelSet.from_examples(rows(("丙",), ("甲", "乙")))
    assert one == other
    assert len(one) == 3


def test_encoding_keeps_rows_and_empty_label_sets():
    labels = LabelSet(("甲", "乙"))
    truth = labels.encode(rows(("乙",), (), ("乙", "甲")), "multilabel")
    np.testing.assert_array_equal(truth, [[0, 1], [0, 0], [1, 1]])
    assert truth.dtype == np.uint8


def test_what_cannot_be_encoded_is_named():
    labels = LabelSet(("体育", "财经"))
    with pytest.raises(
        DataError, match="row 0: the label '财金' is not among the 2 labels.*nearest known one is '财经'"
    ):
        labels.encode(rows(("财金",)), "multilabel")
    with pytest.raises(DataError, match=r"row 0 has 2 labels \(体育, 财经\); a multiclass task has exactly one"):
        labels.encode(rows(("体育", "财经")), "multiclass")
    with pytest.raises(DataError, match="row 0 has no known labels"):
        labels.encode(rows(None), "multilabel")


def test_names_must_be_distinct():
    with pytest.raises(ValueError, match="label names repeat"):
        LabelSet(("甲", "甲"))
