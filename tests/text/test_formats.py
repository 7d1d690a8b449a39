"""Every format that people have, written by the real libraries or as the tools' own exports look."""

import json
from dataclasses import replace

import polars as pl
import pytest
import xlsxwriter

from fenlei.errors import DataError
from fenlei.text.read import read_examples
from fenlei.text.reader import ReadOptions
from fenlei.text.sources import find_files, open_rows, part_names
from fenlei.text.unlabelled import TextSource
from fenlei.text.write import write_examples

SKIP = ReadOptions(on_bad_row="skip")


def rows_of(path, options=None, **more):
    return [(row.id, row.text, row.labels) for row in read_examples(path, options, **more).examples]


def as_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def test_parquet_with_lists_and_strings(tmp_path):
    frame = pl.DataFrame(
        {"编号": [7, 8, 9], "正文": ["甲文", "乙文", "丙文"], "标签": [["财经", "体育"], [], ["财经"]]}
    )
    frame.write_parquet(tmp_path / "a.parquet")
    assert rows_of(tmp_path / "a.parquet") == [
        ("7", "甲文", ("财经", "体育")),
        ("8", "乙文", ()),
        ("9", "丙文", ("财经",)),
    ]
    assert read_examples(tmp_path / "a.parquet").notes[0].startswith(f"{tmp_path}/a.parquet: parquet, 3 rows")


def test_parquet_is_read_in_slices(tmp_path, monkeypatch):
    monkeypatch.setattr("fenlei.text.formats.parquet._ROWS_AT_ONCE", 4)
    for count in (7, 8):
        texts = [f"文{number}" for number in range(count)]
        pl.DataFrame({"text": texts, "label": ["甲"] * count}).write_parquet(tmp_path / "a.parquet")
        assert [row[1] for row in rows_of(tmp_path / "a.parquet")] == texts


def test_a_damaged_parquet_is_named(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"a\.parquet cannot be read as Parquet"):
        read_examples(tmp_path / "a.parquet")
    whole = tmp_path / "b.parquet"
    pl.DataFrame({"text": ["文" * 50] * 200, "label": ["甲"] * 200}).write_parquet(whole, compression="uncompressed")
    content = bytearray(whole.read_bytes())
    content[20:200] = bytes(180)
    whole.write_bytes(content)
    with pytest.raises(DataError, match=r"b\.parquet cannot be read as Parquet|rows cannot be used"):
        read_examples(whole)


def test_folders_of_classes(tmp_path):
    for label, name, text, encoding in (
        ("财经", "1.txt", "股价上涨，\n成交放大", "gbk"),
        ("财经", "2.txt", "央行降息", "utf-8"),
        ("体育", "1.txt", "门将扑出点球", "utf-16"),
    ):
        (tmp_path / "语料" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "语料" / label / name).write_text(text, encoding=encoding)
    (tmp_path / "语料" / "体育" / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "语料" / "说明.txt").write_text("不是语料")
    assert rows_of(tmp_path / "语料") == [
        ("体育/1.txt", "门将扑出点球", ("体育",)),
        ("财经/1.txt", "股价上涨，\n成交放大", ("财经",)),
        ("财经/2.txt", "央行降息", ("财经",)),
    ]
    (tmp_path / "语料" / "财经" / "2023").mkdir()
    (tmp_path / "语料" / "财经" / "2023" / "3.txt").write_text("汇率走低")
    note = read_examples(tmp_path / "语料").notes[0]
    assert "; files beside the classes are not read: 1, such as 说明.txt" in note
    assert "; folders inside a class are not read: 1, such as 财经/2023" in note
    (tmp_path / "语料" / "体育" / "2.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe")
    table = read_examples(tmp_path / "语料", SKIP)
    assert len(table.examples) == 3
    assert table.skipped[0].file.endswith("2.txt")
    assert "it cannot be read as text" in table.skipped[0].reason


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(DataError, match="has no sub-folders with files"):
        read_examples(tmp_path)


def test_labels_as_columns_of_zero_and_one(tmp_path):
    (tmp_path / "a.csv").write_text("id,text,财经,体育,备注\nx,文一,1,0,\ny,文二,0,0,\nz,文三,1,1,好\n", encoding="gbk")
    assert rows_of(tmp_path / "a.csv") == [
        ("x", "文一", ("财经",)),
        ("y", "文二", ()),
        ("z", "文三", ("财经", "体育")),
    ]
    assert "labels in 2 columns of 0 and 1" in read_examples(tmp_path / "a.csv").notes[0]
    named = ReadOptions(label_column=["体育", "财经"])
    assert rows_of(tmp_path / "a.csv", named)[2] == ("z", "文三", ("体育", "财经"))
    with pytest.raises(DataError, match="line 4, column '备注': neither 0 nor 1: '好'"):
        read_examples(tmp_path / "a.csv", ReadOptions(label_column=["财经", "备注"]))


def test_columns_without_a_name_are_called_by_their_place(tmp_path):
    (tmp_path / "a.csv").write_text("内容,标签,,\n文一,甲,第三,第四\n", encoding="utf-8")
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["内容", "标签"])
        sheet.write_row(1, 0, ["文一", "甲", "第三", "第四"])
    for name in ("a.csv", "a.xlsx"):
        [row] = open_rows(tmp_path / name)
        assert row.cells == {"内容": "文一", "标签": "甲", "column 3": "第三", "column 4": "第四"}
    (tmp_path / "b.csv").write_text("text,,column 2\n文一,甲,乙\n", encoding="utf-8")
    with pytest.raises(DataError, match="the column 'column 2' occurs more than once"):
        open_rows(tmp_path / "b.csv")


def test_marks_of_people_are_flags_too(tmp_path):
    pl.DataFrame({"文本": ["文一", "文二"], "投诉": ["是", "否"], "咨询": ["", "√"]}).write_excel(tmp_path / "a.xlsx")
    assert [row[2] for row in rows_of(tmp_path / "a.xlsx")] == [("投诉",), ("咨询",)]
    frame = pl.DataFrame({"text": ["文一", "文二"], "a": [True, False], "b": [1.0, 0.0], "length": [2, 2]})
    frame.write_parquet(tmp_path / "a.parquet")
    assert [row[2] for row in rows_of(tmp_path / "a.parquet")] == [("a", "b"), ()]


def test_one_column_of_zero_and_one_is_not_taken_for_labels(tmp_path):
    (tmp_path / "a.csv").write_text("text,好评\n文一,1\n文二,0\n", encoding="utf-8")
    with pytest.raises(DataError, match="no column looks like the label") as caught:
        read_examples(tmp_path / "a.csv")
    assert "or several columns of 0 and 1" in caught.value.hint
    assert rows_of(tmp_path / "a.csv", ReadOptions(label_column="好评"))[0][2] == ("1",)


def test_doccano_now_and_before(tmp_path):
    now = tmp_path / "all.jsonl"
    lines = [
        {"id": 11, "data": "文一", "label": ["财经", "体育"], "Comments": []},
        {"id": 12, "data": "文二", "label": [], "Comments": []},
    ]
    now.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    assert rows_of(now) == [("11", "文一", ("财经", "体育")), ("12", "文二", ())]
    before = as_json(
        tmp_path / "old.json",
        [{"id": 1, "text": "文一", "annotations": [{"label": 3, "user": 1}, {"label": 3, "user": 2}], "meta": {}}],
    )
    assert rows_of(before) == [("1", "文一", ("3",))]
    table = tmp_path / "all.csv"
    table.write_text("id,data,label\n1,文一,财经#体育\n2,文二,体育\n3,文三,财经\n", encoding="utf-8")
    assert rows_of(table)[0] == ("1", "文一", ("财经", "体育"))


def choices(*names, **more):
    return {"result": [{"type": "choices", "from_name": "x", "value": {"choices": list(names)}}], **more}


def test_label_studio(tmp_path):
    tasks = [
        {"id": 1, "data": {"text": "文一"}, "annotations": [choices("财经", "体育")], "predictions": []},
        {"id": 2, "data": {"text": "文二"}, "annotations": [choices("体育"), choices("财经", was_cancelled=True)]},
        {"id": 3, "data": {"text": "文三"}, "annotations": [choices("体育"), choices("财经", ground_truth=True)]},
        {"id": 4, "data": {"text": "文四"}, "annotations": [{"result": []}]},
        {"id": 5, "data": {"text": "文五"}, "annotations": [choices("体育"), choices("财经")]},
        {"id": 6, "data": {"text": "文六"}, "annotations": []},
        {
            "id": 7,
            "data": {"text": "文七"},
            "annotations": [{"result": [{"type": "taxonomy", "value": {"taxonomy": [["体育", "球类"]]}}]}],
        },
        {"id": 8, "data": {"text": "文八"}, "annotations": 1},
        {"id": 9, "data": {"text": "文九"}, "annotations": [{"result": None}]},
        {"id": 10, "data": {"text": "文十"}, "annotations": [{"result": [{"value": None}]}]},
    ]
    path = as_json(tmp_path / "project-1.json", tasks)
    table = read_examples(path, SKIP)
    assert [(row.id, row.labels) for row in table.examples] == [
        ("1", ("体育", "财经")),
        ("2", ("体育",)),
        ("3", ("财经",)),
        ("4", ()),
        ("7", ("体育/球类",)),
    ]
    strange = ["its annotations are none as Label Studio writes them"] * 3
    reasons = ["its annotators disagree (体育 / 财经)", "nobody has annotated it", *strange]
    assert [row.reason for row in table.skipped] == reasons
    with pytest.raises(DataError, match="its annotators disagree"):
        read_examples(path)


def test_label_studios_short_exports(tmp_path):
    short = as_json(
        tmp_path / "min.json",
        [{"id": 1, "text": "文一", "topic": {"choices": ["甲", "乙"]}}, {"id": 2, "text": "文二", "topic": "甲"}],
    )
    assert [row[2] for row in rows_of(short)] == [("甲", "乙"), ("甲",)]
    table = tmp_path / "min.csv"
    table.write_text('text,id,topic\n文一,1,"{""choices"": [""甲"", ""乙""]}"\n文二,2,甲\n', encoding="utf-8")
    assert [row[2] for row in rows_of(table)] == [("甲", "乙"), ("甲",)]


def test_label_studio_tasks_without_annotations_can_be_predicted(tmp_path):
    path = as_json(tmp_path / "tasks.json", [{"id": 1, "data": {"text": "文一"}}])
    assert [row.text for row in TextSource(path, ReadOptions())] == ["文一"]


def test_fasttext(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("__label__财经 __label__科技 芯片 上市\n\n__label__体育 门将 扑救\n", encoding="utf-8")
    assert rows_of(path) == [("1", "芯片 上市", ("财经", "科技")), ("3", "门将 扑救", ("体育",))]


def test_fasttext_with_commas(tmp_path):
    (tmp_path / "a.txt").write_text("__label__财经,__label__科技 芯片, 上市\n__label__A,B 文\n", encoding="utf-8")
    assert [row[1:] for row in rows_of(tmp_path / "a.txt")] == [("芯片, 上市", ("财经", "科技")), ("文", ("A,B",))]


@pytest.mark.parametrize("head", ["label\ttext_a", "类别\t文本"])
def test_a_header_of_two_fields_is_no_row(tmp_path, head):
    (tmp_path / "a.txt").write_text(f"{head}\n体育\t门将\n财经\t央行降息\n", encoding="utf-8")
    assert [row[1:] for row in rows_of(tmp_path / "a.txt")] == [("门将", ("体育",)), ("央行降息", ("财经",))]
    assert [row[0] for row in rows_of(tmp_path / "a.txt")] == ["2", "3"]


@pytest.mark.parametrize("lines", ["同样的文本\tA\n同样的文本\tB\n不同文本\tC\n", "文本一\t甲\n文本二\t乙\n"])
def test_few_lines_of_two_fields_tell_labels_by_their_length(tmp_path, lines):
    (tmp_path / "a.txt").write_text(lines, encoding="utf-8")
    expected = [tuple(line.split("\t")) for line in lines.splitlines()]
    assert [(text, *labels) for _, text, labels in rows_of(tmp_path / "a.txt")] == expected
    (tmp_path / "a.txt").write_text("\n".join("\t".join(pair[::-1]) for pair in expected), encoding="utf-8")
    assert [(text, *labels) for _, text, labels in rows_of(tmp_path / "a.txt")] == expected


def test_the_labels_of_a_classifier_tell_which_side_of_a_tab_is_the_text(tmp_path):
    path, known = tmp_path / "a.txt", ("体育与健康", "财经", "A,B")
    path.write_text("体育与健康\t赢\n财经,体育与健康\t涨\nA,B\t跌\n", encoding="utf-8")
    assert [row.text for row in TextSource(path, ReadOptions(), known=known)] == ["赢", "涨", "跌"]
    assert "labels<TAB>text lines utf-8, text in 'text'" in TextSource(path, ReadOptions(), known=known).note()
    path.write_text("赢\t体育与健康\n涨\t\n跌\t无\n", encoding="utf-8")
    assert [row.text for row in TextSource(path, ReadOptions(), known=known)] == ["赢", "涨", "跌"]
    path.write_text("新类\t央行降息\n新类\t球队夺冠\n", encoding="utf-8")  # which it does not know, and which repeats
    assert [row.text for row in TextSource(path, ReadOptions(), known=known)] == ["央行降息", "球队夺冠"]
    path.write_text("n1\t央行降息\nn2\t球队夺冠\n", encoding="utf-8")
    with pytest.raises(DataError, match="two fields, and neither holds labels of the classifier, such as 'A,B'"):
        TextSource(path, ReadOptions(), known=known)


def test_paddlenlp_and_label_first_lines(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("芯片上市\t财经,科技\n门将扑救\t体育\n球队上市\t财经,体育\n坏行\n再一条\t科技\n", encoding="utf-8")
    assert [row.text for row in TextSource(path, SKIP)][:2] == ["芯片上市\t财经,科技", "门将扑救\t体育"]  # plain lines
    path.write_text("芯片上市\t财经,科技\n门将扑救\t体育\n球队上市\t财经,体育\n再一条\t科技\n", encoding="utf-8")
    assert [row[1:] for row in rows_of(path)] == [
        ("芯片上市", ("财经", "科技")),
        ("门将扑救", ("体育",)),
        ("球队上市", ("财经", "体育")),
        ("再一条", ("科技",)),
    ]
    path.write_text("体育\t门将扑救\n体育\t球队夺冠\n财经\t央行降息\n", encoding="gb18030")
    assert [row[1:] for row in rows_of(path, task="multiclass")][2] == ("央行降息", ("财经",))
    assert "labels<TAB>text lines gb18030" in read_examples(path).notes[0]


def test_a_few_lines_of_another_kind_are_bad_rows(tmp_path):
    path = tmp_path / "train.txt"
    good = "".join(f"文{number}\t{'甲乙'[number % 2]}\n" for number in range(18))
    path.write_text(good + "文\t三\t甲\n没有标签\n", encoding="utf-8")
    table = read_examples(path, SKIP)
    assert len(table.examples) == 18
    assert [row.reason for row in table.skipped] == [
        "2 tabs where most lines have one",
        "0 tabs where most lines have one",
    ]


def test_plain_lines_have_no_labels(tmp_path):
    (tmp_path / "a.txt").write_text("文一\n\n文二\n", encoding="utf-8")
    assert [row.text for row in TextSource(tmp_path / "a.txt", ReadOptions())] == ["文一", "", "文二"]
    with pytest.raises(DataError, match="no column looks like the label"):
        read_examples(tmp_path / "a.txt")


def test_two_text_columns_are_joined(tmp_path):
    (tmp_path / "a.csv").write_text("标题,正文,类别\n题一, 文一 ,甲\n题二,,甲\n,文三,甲\n,,甲\n", encoding="utf-8")
    options = ReadOptions(text_column=["标题", "正文"], on_bad_row="skip")
    table = read_examples(tmp_path / "a.csv", options)
    assert [row.text for row in table.examples] == ["题一\n文一", "题二", "文三"]
    assert table.skipped[0].reason == "the text is empty"
    assert "text in '标题' + '正文'" in table.notes[0]
    assert [row.text for row in TextSource(tmp_path / "a.csv", options)] == ["题一\n文一", "题二", "文三", ""]


@pytest.mark.parametrize("pair", [False, True])
def test_what_fenlei_wrote_of_two_columns_is_read_with_the_same_options(tmp_path, pair):
    (tmp_path / "a.csv").write_text("标题,正文,标签,卷\n降息,利率下调,财经,一\n,夺冠,体育,二\n", encoding="utf-8")
    options = ReadOptions(text_column=["标题", "正文"], pair=pair)
    for more in ({}, {"group_column": "卷"}):
        examples = read_examples(tmp_path / "a.csv", replace(options, **more)).examples
        write_examples(tmp_path / "part.csv", examples)
        # Its groups need no name, and the one of the file they came from will do.
        for again in (options, replace(options, **more)):
            assert read_examples(tmp_path / "part.csv", again).examples == examples
    # Two columns that another file has not are an error still.
    (tmp_path / "b.csv").write_text("text,labels\n文,甲\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no column '标题'; its columns are text, labels"):
        read_examples(tmp_path / "b.csv", options)


def test_patterns_and_names_of_parts(tmp_path):
    for name in ("甲/a.csv", "乙/a.csv", "乙/b.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text,label\n文,甲\n", encoding="utf-8")
    files = find_files([str(tmp_path / "*" / "*.csv")])
    assert [file.name for file in files] == ["a.csv", "b.csv", "a.csv"]
    assert part_names(files) == [files[0].as_posix(), "b", files[2].as_posix()]
    assert len({row.id for row in read_examples(str(tmp_path / "*" / "*.csv")).examples}) == 3
    with pytest.raises(DataError, match="files are needed, and this is a DataFrame"):
        find_files(pl.DataFrame({"text": ["文"]}))
    with pytest.raises(DataError, match=r"no file fits the pattern .*\*\.tsv"):
        find_files(str(tmp_path / "*.tsv"))
    with pytest.raises(DataError, match=r"b\.csv is given more than once"):
        find_files([str(tmp_path / "乙" / "b.csv"), str(tmp_path / "乙" / "*.csv")])


def test_json_that_is_nested_too_deeply(tmp_path):
    (tmp_path / "a.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(DataError, match="is no valid JSON: nested too deeply"):
        read_examples(tmp_path / "a.json")
    lines = ['{"text": "文", "label": "甲"}', '{"a":' * 100_000]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert read_examples(tmp_path / "a.jsonl", SKIP).skipped[0].reason == "broken JSON: nested too deeply"


def test_a_number_of_thousands_of_digits_is_a_bad_row_or_a_plain_label(tmp_path):
    digits = "1" * 5_000
    (tmp_path / "a.jsonl").write_text(f'{{"text": "文", "label": {digits}}}\n{{"text": "书", "label": "甲"}}')
    assert read_examples(tmp_path / "a.jsonl", SKIP).skipped[0].reason == "broken JSON: a number of thousands of digits"
    (tmp_path / "a.json").write_text(f'[{{"text": "文", "label": {digits}}}]')
    with pytest.raises(DataError, match="is no valid JSON: a number of thousands of digits"):
        read_examples(tmp_path / "a.json")
    (tmp_path / "a.csv").write_text(f"text,label\n文,[{digits}]\n")
    assert read_examples(tmp_path / "a.csv").examples[0].labels == (f"[{digits}]",)


def test_the_identity_of_a_source_changes_with_its_content(tmp_path):
    folder = tmp_path / "语料"
    (folder / "甲").mkdir(parents=True)
    (folder / "甲" / "1.txt").write_text("文", encoding="utf-8")
    before = open_rows(folder).identity
    assert open_rows(folder).identity == before
    (folder / "甲" / "2.txt").write_text("文", encoding="utf-8")
    assert open_rows(folder).identity != before
