"""Which columns hold what: as named by the user, or by the names and contents that are usual."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from fenlei.errors import DataError
from fenlei.text.rows import RowSource, unnamed

TEXT_NAMES = (
    "text",
    "content",
    "sentence",
    "review",
    "comment",
    "body",
    "文本",
    "内容",
    "正文",
    "句子",
    "评论",
    "新闻",
    "标题",
    "title",
    "data",  # doccano
)
LABEL_NAMES = (
    "labels",
    "label",
    "category",
    "categories",
    "class",
    "tag",
    "tags",
    "标签",
    "类别",
    "分类",
    "类目",
    "标注",
    "sentiment",  # Label Studio's own template
    "情感",
    "意图",
)
ID_NAMES = ("id", "编号", "序号")

WRITTEN = ("id", "text", "labels")
"""The columns that `write_examples` writes, before one of groups if there are any."""

# What a cell of a 0/1 column may hold: numbers, truth values, and the marks of people who fill in sheets.
_YES = frozenset({1, "1", "1.0", "true", "是", "√", "✓"})
_NO = frozenset({0, None, "0", "0.0", "false", "否", ""})


@dataclass(frozen=True)
class Columns:
    """The columns of a source that a reader takes.

    Attributes:
        text: one, or several whose cells are joined in this order.
        labels: one whose cells name labels; several are labels themselves, with 0 or 1 in their cells.
        id, group: None: there is none.
    """

    text: tuple[str, ...]
    labels: tuple[str, ...]
    id: str | None
    group: str | None

    @property
    def labels_are_flags(self) -> bool:
        """Whether the label columns hold 0 and 1."""
        return len(self.labels) > 1


def find_columns(
    source: RowSource,
    *,
    text: Sequence[str] = (),
    labels: Sequence[str] = (),
    id: str | None = None,
    group: str | None = None,
) -> Columns:
    """The columns of a labelled source; what is not named is found by the usual names.

    Without a column that looks like the labels, columns that hold nothing but 0 and 1 are taken for them.

    Raises:
        DataError: a named column is not there, or none looks like it; lists those there are.
    """
    texts = text_columns(source, text)
    id_column = _named(source, id, "id") if id else _by_name(source.columns, ID_NAMES)
    if is_written(source) and "group" in source.columns and group not in source.columns:
        group = "group"  # fenlei wrote the file, with the groups it was told of under a name of its own
    group_column = _named(source, group, "group") if group else None
    if labels:
        found = tuple(_named(source, name, "label") for name in labels)
    elif named := _by_name(source.columns, LABEL_NAMES):
        found = (named,)
    elif choices := _column_of_choices(source):
        found = (choices,)
    else:
        found = flag_columns(source, {*texts, id_column, group_column})
        found = found if len(found) > 1 else ()
    if not found:
        raise _not_found(source, "label")
    return Columns(texts, found, id_column, group_column)


def text_columns(source: RowSource, named: Sequence[str] = ()) -> tuple[str, ...]:
    """The columns of the text, as named, or the one that looks like it.

    In a file that fenlei wrote, such as the parts of a split, columns to be joined are joined in one already.

    Raises:
        DataError: there is no such column; lists those there are.
    """
    if is_written(source) and len(named) > 1 and not set(named) & set(source.columns):
        return ("text",)
    if named:
        return tuple(_named(source, name, "text") for name in named)
    found = _by_name(source.columns, TEXT_NAMES)
    if not found:
        raise _not_found(source, "text")
    return (found,)


def is_written(source: RowSource) -> bool:
    """Whether it has the columns of a file that `write_examples` wrote, where a pair of texts stands in one cell."""
    return source.columns in (WRITTEN, (*WRITTEN, "group"))


def present(source: RowSource, columns: Collection[str]) -> tuple[str, ...]:
    """These columns, if the source has them all; otherwise none."""
    return tuple(columns) if set(columns) <= set(source.columns) else ()


def _named(source: RowSource, name: str, what: str) -> str:
    if name in source.columns:
        return name
    raise DataError(
        f"{source.name} has no column {name!r}; its columns are {', '.join(source.columns)}",
        hint=f"name one of them with --{what}-column",
    )


def _by_name(columns: Sequence[str], names: Sequence[str]) -> str | None:
    folded = {column.strip().lower(): column for column in reversed(columns)}
    return next((folded[name] for name in names if name in folded), None)


def _not_found(source: RowSource, what: str) -> DataError:
    flags = ", or several columns of 0 and 1 by repeating it" if what == "label" else ""
    hint = f"name it with --{what}-column{flags}"
    if len(source.columns) > 1 and len(unnamed(source.columns)) >= len(source.columns) - 1:
        hint = "the first row looks like a title: delete it, so that the names of the columns come first"
    elif len(source.columns) == 1 and source.format == "csv":
        hint += "; if it should have several columns, put commas, tabs or semicolons between them"
    if source.not_read:
        hint += f"; {source.not_read}"
    return DataError(
        f"{source.name}: no column looks like the {what}; its columns are {', '.join(source.columns)}", hint=hint
    )


def _column_of_choices(source: RowSource) -> str | None:
    """The column of Label Studio's short JSON and CSV exports whose cells are `{"choices": […]}`."""
    for row in source:
        for name, cell in row.cells.items():
            if isinstance(cell, dict) and "choices" in cell:
                return name
            if isinstance(cell, str) and cell.startswith('{"choices"'):
                return name
        if row.number > 1000:
            break
    return None


def flag_columns(source: RowSource, others: Collection[str | None]) -> tuple[str, ...]:
    """The columns, apart from `others`, whose every cell is a flag and that have a 1."""
    left = dict.fromkeys((column for column in source.columns if column not in others), False)
    for row in source:
        if row.problem is not None:
            continue
        for name in list(left):
            flag = flag_of(row.cells.get(name))
            if flag is None:
                del left[name]
            else:
                left[name] |= flag
        if not left:
            return ()
    return tuple(name for name, occurs in left.items() if occurs)


def flag_of(cell: Any) -> bool | None:
    """What a cell of a 0/1 column says; None if it says neither."""
    if isinstance(cell, str):
        cell = cell.strip().lower()
    if not isinstance(cell, str | int | float | None):
        return None
    return True if cell in _YES else False if cell in _NO else None
