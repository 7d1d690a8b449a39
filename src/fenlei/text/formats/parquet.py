"""Parquet, by polars, a slice of rows at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fenlei.errors import DataError
from fenlei.text.rows import Row, RowSource, identity_of

_ROWS_AT_ONCE = 16_384


def open_parquet(path: Path) -> RowSource:
    """The rows of a Parquet file; lists stay lists, so labels may be a list of strings.

    Raises:
        DataError: it is no Parquet file.
    """
    import polars

    with _damage_named(path):
        columns = tuple(polars.read_parquet_schema(path))
    return RowSource(str(path), "parquet", "", columns, lambda: _rows(path), identity_of(path))


def _rows(path: Path) -> Iterator[Row]:
    import polars

    number = 0
    while True:
        with _damage_named(path):
            part = polars.scan_parquet(path).slice(number, _ROWS_AT_ONCE).collect()
        for cells in part.iter_rows(named=True):
            number += 1
            yield Row(number, cells)
        if len(part) < _ROWS_AT_ONCE:
            return


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Say which file polars stumbled over.

    Raises:
        DataError: in place of its errors, and of its panics at damaged pages.
    """
    from polars.exceptions import PanicException, PolarsError

    try:
        yield
    except (PanicException, PolarsError, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error
