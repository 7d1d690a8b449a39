"""What is written is read back exactly; what is damaged is refused or listed, never anything else."""

import csv

from hypothesis import given, settings
from hypothesis import strategies as st

from fenlei.errors import DataError
from fenlei.text.example import Example
from fenlei.text.read import NO_LABEL, ReadOptions, read_examples
from fenlei.text.write import write_examples

characters = st.characters(exclude_categories=["Cs", "Cc"])
# Readers trim white space and know words for "no label"; everything else must survive.
words = st.text(characters, min_size=1, max_size=20).map(str.strip).filter(lambda s: s and s.lower() not in NO_LABEL)
texts = st.text(characters | st.sampled_from('\n,"|\t；'), min_size=1, max_size=60).map(str.strip).filter(bool)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, st.lists(words, max_size=3, unique=True), st.none() | words), min_size=1, max_size=8))
def test_written_examples_are_read_back(tmp_path_factory, rows):
    grouped = any(group for *_, group in rows)
    examples = tuple(
        Example(f"row {number}", text, tuple(labels), group if grouped else None)
        for number, (text, labels, group) in enumerate(rows)
    )
    path = tmp_path_factory.mktemp("laws") / "例.csv"
    write_examples(path, examples)
    read = read_examples(path, ReadOptions(group_column="group" if grouped else None)).examples
    assert read == examples


CONTENT = 'id,text,label\n1,央行下调利率,财经|社会\n2,“球队”夺冠,体育\n3,"引号,逗号",社会\n'


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
    st.integers(0, 200),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
)
def test_damaged_files_are_refused_or_listed(tmp_path_factory, encoding, cut, flips):
    content = bytearray(CONTENT.encode(encoding))
    for place, value in flips:
        content[place % len(content)] = value
    path = tmp_path_factory.mktemp("damage") / "a.csv"
    path.write_bytes(content[: len(content) - cut] if cut < len(content) else content)
    try:
        table = read_examples(path, ReadOptions(on_bad_row="skip"))
    except DataError:
        return
    assert all(row.text for row in table.examples)


@given(st.lists(st.lists(words, min_size=1, max_size=3, unique=True), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_named_separator_splits_as_csv_writers_joined(tmp_path_factory, label_lists):
    label_lists = [[label.replace("|", "") or "甲" for label in labels] for labels in label_lists]
    label_lists = [labels for labels in label_lists if not labels[0].startswith("[")]
    path = tmp_path_factory.mktemp("sep") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [["text", "label"], ["文", "甲"], *(["文", "|".join(labels)] for labels in label_lists)]
        )
    examples = read_examples(path, ReadOptions(encoding="utf-8", label_separator="|")).examples[1:]
    for example, labels in zip(examples, label_lists, strict=True):
        kept = [label.strip() for label in labels if label.strip().lower() not in NO_LABEL]
        assert example.labels == tuple(dict.fromkeys(kept))
