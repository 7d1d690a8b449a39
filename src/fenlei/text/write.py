"""Examples -> a CSV file that `read_examples` gives back exactly and Excel opens."""

import json
from collections.abc import Sequence
from pathlib import Path

from fenlei.csv_text import csv_text, write_csv
from fenlei.text.columns import WRITTEN
from fenlei.text.example import Example


def write_examples(path: Path, examples: Sequence[Example]) -> None:
    """Write `examples` as UTF-8 CSV with a byte order mark: id, text, labels and, if there are any, groups.

    Labels are a JSON list, which no character in a name can break.
    """
    grouped = any(example.group is not None for example in examples)
    rows = [[*WRITTEN, *(["group"] if grouped else [])]]
    for example in examples:
        labels = json.dumps(example.labels or [], ensure_ascii=False)
        rows.append([example.id, example.text, labels, *([example.group or ""] if grouped else [])])
    write_csv(path, csv_text(rows))
