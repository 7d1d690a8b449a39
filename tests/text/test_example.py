import pytest

from fenlei.errors import DataError
from fenlei.text.example import Example, examples_of
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
