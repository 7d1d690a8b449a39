"""Two classifiers on the same rows: which is better, on which labels, and where they disagree.

Shapes: B rows, C labels, R resamples.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.counted import counted
from fenlei.csv_text import csv_text
from fenlei.errors import DataError
from fenlei.judge.bootstrap import FEWEST_ROWS, percentile_interval
from fenlei.judge.figures import FIGURE_NAMES, Figure, shown
from fenlei.judge.metrics import Bits
from fenlei.judge.resampled import Resampled
from fenlei.plain_table import aligned
from fenlei.text.cells import label_cell
from fenlei.text.labels import Task


@dataclass(frozen=True, kw_only=True)
class LabelDifference:
    """One label under two classifiers.

    Attributes:
        label: its name.
        support: rows that have it.
        first, second: F1 of each.
        difference: second minus first, with its paired interval.
    """

    label: str
    support: int
    first: float
    second: float
    difference: Figure

    @property
    def beyond_chance(self) -> bool:
        """Whether 0 lies outside the interval; of too few rows nothing is told."""
        return self.support >= FEWEST_ROWS and self.difference.interval.leaves_out_zero


@dataclass(frozen=True, kw_only=True)
class ClassifierComparison:
    """What a comparison found; differences are second minus first, paired.

    Attributes:
        task: of both.
        rows: B.
        seed: of the bootstrap.
        first, second: figures of each by name.
        differences: by name.
        labels: in label order.
        only_first_right, only_second_right: rows whose label set one of them got exactly right.
        changed: (rows answered otherwise) their places.
    """

    task: Task
    rows: int
    seed: int
    first: dict[str, float]
    second: dict[str, float]
    differences: dict[str, Figure]
    labels: tuple[LabelDifference, ...]
    only_first_right: int
    only_second_right: int
    changed: tuple[int, ...]

    def to_text(self, first: str, second: str) -> str:
        """The tables as they stand in a terminal, under the names of the two."""
        figures = [["", first, second, "difference"]]
        for name, difference in self.differences.items():
            figures.append(
                [FIGURE_NAMES[name], f"{self.first[name]:.4f}", f"{self.second[name]:.4f}", shown(difference, "+")]
            )
        lines = [["F1", "support", first, second, "difference", ""]]
        for line in sorted(self.labels, key=lambda line: line.difference.value):
            mark = line.difference.verdict if line.beyond_chance else ""
            numbers = [f"{line.support:,}", f"{line.first:.4f}", f"{line.second:.4f}", shown(line.difference, "+")]
            lines.append([line.label, *numbers, mark])
        marked = sum(line.beyond_chance for line in self.labels)
        notes = [
            f"{self.rows:,} rows; 95% intervals of the paired difference: percentile bootstrap, seed {self.seed}",
            f"{counted(len(self.changed), 'row is', 'rows are')} answered otherwise; exactly right only in {first}: "
            f"{self.only_first_right:,}, only in {second}: {self.only_second_right:,}",
            f"{marked} of {len(self.labels)} labels differ beyond chance; were both alike, about "
            f"{0.05 * len(self.labels):.0f} would look so",
        ]
        if rare := sum(0 < line.support < FEWEST_ROWS for line in self.labels):
            notes.append(
                f"{counted(rare, 'label has', 'labels have')} fewer than {FEWEST_ROWS} rows and no verdict; "
                "how far such labels lie apart widens the interval of macro-F1"
            )
        return "\n".join([*aligned(figures), "", *aligned(lines), "", *notes, ""])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain = asdict(self)
        for line, own in zip(plain["labels"], self.labels, strict=True):
            line["beyond_chance"] = own.beyond_chance
        return plain


def compare_classifiers(
    truth: NDArray[Any],
    first: Bits,
    second: Bits,
    labels: Sequence[str],
    task: Task,
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> ClassifierComparison:
    """Compare two (B, C) tables of given labels against (B, C) truth.

    Args:
        truth: 0 or 1.
        first, second: 0 or 1, of the same rows.
        labels: the C names.
        task: of both.
        groups: (B,) rows of one group are resampled together.
        seed: of the bootstrap.

    Raises:
        DataError: there are no rows.
        ValueError: the shapes differ.
    """
    if not len(truth):
        raise DataError("there are no rows to compare on", hint="give a file that has labelled rows")
    drawn_together = None if groups is None else np.asarray(groups)
    one, two = (Resampled.counted(truth, given, task, seed=seed, groups=drawn_together) for given in (first, second))
    apart = two.minus(one)
    exact = [(given == (truth != 0)).all(axis=1) for given in (first, second)]
    of_label = apart.of_labels["macro_f1"]
    return ClassifierComparison(
        task=task,
        rows=len(truth),
        seed=seed,
        first={name: float(value) for name, value in one.values.items()},
        second={name: float(value) for name, value in two.values.items()},
        differences=apart.figures(),
        labels=tuple(
            LabelDifference(
                label=label,
                support=int(of_label.support[i]),
                first=float(one.of_labels["macro_f1"].each[i]),
                second=float(two.of_labels["macro_f1"].each[i]),
                difference=Figure(float(of_label.each[i]), percentile_interval(of_label.resampled[:, i])),
            )
            for i, label in enumerate(labels)
        ),
        only_first_right=int((exact[0] & ~exact[1]).sum()),
        only_second_right=int((exact[1] & ~exact[0]).sum()),
        changed=tuple(np.flatnonzero((first != second).any(axis=1)).tolist()),
    )


def changed_csv(
    comparison: ClassifierComparison,
    ids: Sequence[str],
    texts: Sequence[str],
    tables: Sequence[NDArray[Any]],
    labels: Sequence[str],
) -> str:
    """The rows answered otherwise: id, text, true labels, those of each, and which was exactly right.

    Args:
        comparison: says which rows.
        ids: B names.
        texts: B texts.
        tables: truth, first, second, (B, C) each.
        labels: the C names.
    """
    rows = [["id", "text", "labels", "first", "second", "right"]]
    for row in comparison.changed:
        true, first, second = (label_cell([labels[i] for i in np.flatnonzero(table[row]).tolist()]) for table in tables)
        right = "first" if first == true else "second" if second == true else ""
        rows.append([ids[row], texts[row], true, first, second, right])
    return csv_text(rows)
