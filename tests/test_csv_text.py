"""What is written as CSV is what every reader gives back."""

import csv
import io
import re
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from fenlei.csv_text import csv_text

SOURCE = Path(__file__).resolve().parents[1] / "src" / "fenlei"
cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from('\r\n",'))


def test_lines_end_in_line_feeds_and_returns_are_quoted():
    assert csv_text([["id", "text"], [], [7, "甲\r乙"], ["", "丙\r\n"]]) == 'id,text\n\n7,"甲\r乙"\n,"丙\r\n"\n'


@given(st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=4))
def test_every_text_is_read_back(rows):
    assert list(csv.reader(io.StringIO(csv_text(rows), newline=""), strict=True)) == rows


@given(cells, cells)
def test_polars_reads_the_same(one, other):
    content = csv_text([["a", "b"], [one, other]]).encode()
    assert pl.read_csv(content, infer_schema=False, empty_string_is_null=False).rows() == [(one, other)]


def test_no_other_place_writes_csv():
    makers = [path for path in SOURCE.rglob("*.py") if re.search(r"csv\.(Dict)?[wW]riter", path.read_text("utf-8"))]
    assert [path.name for path in makers] == ["csv_text.py"]
