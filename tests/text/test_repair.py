import csv
import io

from fenlei.text.example import Example
from fenlei.text.read import Table
from fenlei.text.reader import BadRow
from fenlei.text.repair import changes_csv, repair


def test_what_needs_no_judgement_is_mended_and_all_is_logged():
    examples = (
        Example("1", "文\u200b一", ("Ａ类",)),
        Example("2", "文二", ("A类", "乙")),
        Example("3", "文二", ("乙", "A类")),
        Example("4", "文二", ("A类",)),
        Example("5", "文三", ("A类", "Ａ类")),
    )
    bad = BadRow("a.csv", 9, "text", "", "the text is empty")
    rows, changes = repair(Table(examples, (bad,), ()))
    assert [(row.id, row.text, row.labels) for row in rows] == [
        ("1", "文一", ("A类",)),
        ("2", "文二", ("A类", "乙")),
        ("4", "文二", ("A类",)),
        ("5", "文三", ("A类",)),
    ]
    assert [(change.row, change.change) for change in changes] == [
        ("a.csv, line 9", "removed: the text is empty"),
        ("1", "invisible characters dropped"),
        ("1", "labels respelled"),
        ("3", "removed: the same as row 2"),
        ("4", "left: row 2 has the same text as A类|乙"),
        ("5", "labels respelled"),
    ]
    assert len(list(csv.reader(io.StringIO(changes_csv(changes))))) == 7


def test_a_row_of_nothing_but_invisible_characters_goes_and_copies_are_told_by_text_and_labels():
    rows = [("一", "旅游"), ("\u200b\u200b", "体育"), ("一", "体育"), ("一 ", "体育"), ("二", "体 育")]
    examples = tuple(Example(str(number), text, (label,)) for number, (text, label) in enumerate(rows, 1))
    kept, changes = repair(Table(examples, (), ()))
    assert [(row.id, row.labels) for row in kept] == [("1", ("旅游",)), ("3", ("体育",)), ("5", ("体育",))]
    assert [(change.row, change.change) for change in changes if change.change.startswith("removed")] == [
        ("2", "removed: there is nothing else in its text"),
        ("4", "removed: the same as row 3"),
    ]


def test_a_sound_table_stays_as_it_is():
    examples = (Example("1", "文一", ("甲",), group="g"), Example("2", "文二", ()))
    assert repair(Table(examples, (), ())) == (examples, ())
