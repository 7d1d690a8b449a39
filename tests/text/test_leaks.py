import csv
import io

from fenlei.text import leaks as module
from fenlei.text.duplicates import find_duplicates, jaccard
from fenlei.text.example import Example
from fenlei.text.leaks import find_leaks, leaks_csv

BASE = "市场监管总局今日公布一批召回信息，涉及多家汽车企业的缺陷车型，车主可到店免费更换电池组件并登记信息。"


def rows(*texts):
    return [Example(str(number), text, ("甲",)) for number, text in enumerate(texts, 1)]


def test_rows_of_one_part_that_stand_in_a_later_one():
    near = BASE.replace("今日", "昨日")
    parts = {"train": rows("别的", f"{BASE} ", near), "dev": rows("又一条"), "test": rows("第三条", BASE)}
    leaks = find_leaks(parts)
    assert [(leak.part, leak.row, leak.other_part, leak.other_row) for leak in leaks] == [
        ("train", "2", "test", "2"),
        ("train", "3", "test", "2"),
    ]
    assert leaks[0].similarity == 1
    assert 0.8 <= leaks[1].similarity < 1
    assert [leak.row for leak in find_leaks(parts, near=False)] == ["2"]


def test_a_text_with_the_same_3_grams_is_no_exact_leak():
    [leak] = find_leaks({"train": rows("哈哈哈哈"), "test": rows("哈哈哈哈哈")})
    assert (leak.similarity, leak.exact) == (1, False)
    [leak] = find_leaks({"train": rows("哈哈哈哈"), "test": rows("哈哈哈哈哈", "哈哈哈哈")})
    assert (leak.other_row, leak.exact) == ("2", True)


def test_rows_that_repeat_within_a_part_are_no_leak():
    assert find_leaks({"train": rows(BASE, BASE), "test": rows("别的")}) == ()
    assert find_leaks({"train": [], "test": rows("别的")}) == ()


def test_copies_of_one_text_are_compared_once(monkeypatch):
    compared = []
    monkeypatch.setattr(module, "jaccard", lambda *grams: (compared.append(grams), jaccard(*grams))[1])
    near = BASE.replace("今日", "昨日")
    leaks = find_leaks({"train": rows(*[BASE] * 20, *[near] * 20), "test": rows(near, *[BASE] * 5, near)})
    assert len(compared) == 2
    assert [(leak.row, leak.other_row, leak.similarity) for leak in leaks] == [
        (str(row), "2" if row <= 20 else "1", 1.0) for row in range(1, 41)
    ]


def test_one_part_leaks_nowhere_and_known_duplicates_are_not_searched_again(monkeypatch):
    parts = {"train": rows(BASE, "一"), "test": rows(BASE.replace("今日", "昨日"), "二")}
    found = find_leaks(parts)
    known = find_duplicates([row.text for part in parts.values() for row in part])
    monkeypatch.setattr(module, "find_duplicates", None)
    assert find_leaks(parts, duplicates=known) == found != ()
    assert find_leaks({"train": rows(BASE, BASE)}) == ()


def test_dev_rows_in_test_are_found_too():
    assert [leak.part for leak in find_leaks({"train": rows("一"), "dev": rows(BASE), "test": rows(BASE)})] == ["dev"]


def test_a_template_counts_by_exact_duplicates_only():
    filled = [f"{BASE}编号{number:05d}" for number in range(300)]
    leaks = find_leaks({"train": rows(*filled[:200], filled[299]), "test": rows(*filled[200:])})
    assert [leak.row for leak in leaks] == ["201"]


def test_the_list_for_a_spreadsheet():
    listed = list(csv.reader(io.StringIO(leaks_csv(find_leaks({"train": rows("一"), "test": rows("一")})))))
    assert listed == [["part", "row", "stands also in", "as row", "similarity"], ["train", "1", "test", "1", "1.000"]]
