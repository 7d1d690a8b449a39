import csv

import pytest

from fenlei.errors import DataError
from fenlei.text.reader import ReadOptions
from fenlei.text.unlabelled import TextSource


def test_texts_to_predict_keep_their_other_columns(tmp_path):
    path = tmp_path / "a.csv"
    with path.open("w", encoding="gbk", newline="") as file:
        csv.writer(file).writerows([("id", "text", "more"), ("7", "文", "x")])
    source = TextSource(path, ReadOptions())
    assert source.columns == ("id", "text", "more")
    assert [(row.text, row.cells) for row in source] == [("文", {"id": "7", "text": "文", "more": "x"})]
    lines = TextSource("甲文\n\n乙文\n".encode("gbk"), ReadOptions())
    assert lines.columns == ()
    assert [row.text for row in lines] == ["甲文", "", "乙文"]
    assert (source.empty, lines.empty) == (0, 1)


def test_bad_rows_to_predict(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "好"}\n{"txt": 1}\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 2, column 'text': the text is missing or no string"):
        list(TextSource(tmp_path / "a.jsonl", ReadOptions()))
    source = TextSource(tmp_path / "a.jsonl", ReadOptions(on_bad_row="skip"))
    assert len(list(source)) == 1
    assert len(source.skipped) == 1
