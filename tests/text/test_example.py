import numpy as np
import polars
import pytest
from sklearn.preprocessing import MultiLabelBinarizer

from fenlei.errors import DataError
from fenlei.text.example import Example, examples_from, examples_of
from fenlei.text.read import read_examples


@pytest.mark.parametrize(
    ("text", "labels", "message"),
    [
        ("文", "体育", "the labels of example '1' are '体育'; they are a tuple of str"),
        ("文", (0,), "are \\(0,\\); they are a tuple of str"),
        (None, ("体育",), "the text of example '1' is None"),
    ],
)
def test_what_is_no_text_or_no_label_is_refused(text, labels, message):
    with pytest.raises(DataError, match=message):
        Example("1", text, labels)


def test_examples_of_anything_else_are_refused(tmp_path):
    rows = (Example("1", "文", ("甲",)), Example("2", "书", ()))
    assert examples_of(iter(rows)) == examples_of(list(rows)) == rows
    assert examples_of([]) == ()
    (tmp_path / "a.csv").write_text("text,label\n文,甲\n", encoding="utf-8")
    for wrong in (read_examples(tmp_path / "a.csv"), "a.csv", ["文"], None, {"text": ["文"]}):
        with pytest.raises(DataError, match="examples are needed, and this is a ") as refused:
            examples_of(wrong)
        assert "read_examples(path).examples" in refused.value.hint


TEXTS = ["文", "书", "画"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["体育", "财经", "体育"], [("体育",), ("财经",), ("体育",)]),
        (np.array(["体育", "财经", "体育"]), [("体育",), ("财经",), ("体育",)]),
        (np.array([2, 0, 2]), [("2",), ("0",), ("2",)]),
        ([["体育", "财经"], [], {"财经", "体育"}], [("体育", "财经"), (), ("体育", "财经")]),
    ],
)
def test_examples_from_labels(labels, expected):
    assert examples_from(iter(TEXTS), labels) == tuple(
        Example(str(row), *pair) for row, pair in enumerate(zip(TEXTS, expected, strict=True))
    )


@pytest.mark.parametrize("sparse", [False, True])
def test_examples_from_a_table_of_zeros_and_ones(sparse):
    labels = [("体育", "财经"), (), ("财经",)]
    binarizer = MultiLabelBinarizer(sparse_output=sparse)
    table = binarizer.fit_transform(labels)
    assert [row.labels for row in examples_from(TEXTS, table, names=binarizer.classes_)] == labels
    with pytest.raises(DataError, match="shape \\(3, 2\\), and there are 0 names") as refused:
        examples_from(TEXTS, table)
    assert "names=binarizer.classes_" in refused.value.hint


def test_the_columns_of_a_data_frame_are_names():
    frame = polars.DataFrame({"体育": [1, 0, 0], "财经": [1, 0, 1]})
    rows = examples_from(polars.Series(TEXTS), frame)
    assert [row.labels for row in rows] == [("体育", "财经"), (), ("财经",)]
    with pytest.raises(DataError, match="a list of texts is needed, and this is a DataFrame"):
        examples_from(frame, TEXTS)


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        (["体育", "财经"], None, "there are 3 texts and labels of 2"),
        (["体育", None, "财经"], None, "the labels of row 1 are None"),
        (["体育", float("nan"), "财经"], None, "the labels of row 1 are nan"),
        ([["体育"], [True], []], None, "the labels of row 1 are"),
        (["体育", " ", "财经"], None, "row 1 has a label without a name"),
        ([[0, 1], [0, 0], [1, 0]], None, "row 1 has a label twice"),
        ([[0, 1], [0, 2], [1, 0]], ["体育", "财经"], "row 1 of the table has .*2.* at '财经', neither 0 nor 1"),
    ],
)
def test_what_no_examples_can_be_made_from(labels, names, message):
    with pytest.raises(DataError, match=message):
        examples_from(TEXTS, labels, names=names)
