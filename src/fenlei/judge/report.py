"""What one evaluation found, and how it reads as text, as a spreadsheet and as JSON."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from fenlei.csv_text import csv_text
from fenlei.judge.blend import Blend
from fenlei.judge.bootstrap import Interval
from fenlei.judge.figures import FIGURE_NAMES, MAIN_FIGURE, Figure, shown
from fenlei.judge.notes import notes_of
from fenlei.plain_table import aligned
from fenlei.text.labels import Task

if TYPE_CHECKING:
    from fenlei.judge.details import Details


@dataclass(frozen=True, kw_only=True)
class LabelLine:
    """One label of the table.

    Attributes:
        label: its name.
        precision, recall, f1: 0 where the denominator is 0.
        f1_interval: of its F1.
        support: rows that have it; 0 means that the other figures say nothing about it.
        predicted: rows that were given it.
        average_precision: multi-label only.
        threshold: multi-label only.
        training_rows: rows that had it in training; None: not known.
    """

    label: str
    precision: float
    recall: float
    f1: float
    f1_interval: Interval
    support: int
    predicted: int
    average_precision: float | None
    threshold: float | None
    training_rows: int | None


@dataclass(frozen=True, kw_only=True)
class AverageLine:
    """One average of the table; `support` is the number of true labels in all rows."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The baseline beside the classifier.

    Attributes:
        name: the baseline's.
        figures: its own, under the report's names.
        differences: classifier minus baseline; a paired interval without 0 is more than chance.
    """

    name: str
    figures: dict[str, Figure]
    differences: dict[str, Figure]


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Some of the rows, judged alone.

    Attributes:
        name: `unseen`: no part of what made the classifier; `sure`: not left to a person.
        rows: how many.
        figures: under the report's names.
    """

    name: str
    rows: int
    figures: dict[str, Figure]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one evaluation found.

    Attributes:
        task: of the decision.
        rows: B.
        groups: groups drawn as a whole in the bootstrap; `None`: each row alone.
        rows_without_label: rows with an empty label set, which is legal in a multi-label task.
        rows_given_no_label: rows for which nothing was predicted.
        rows_for_a_person: rows so uncertain that a person should look; their labels are judged all the same.
        seed: of the bootstrap.
        seen: for parts of what made the classifier, how many of the rows were in them; None: not known.
        labels: the table, in label order.
        averages: below the table.
        figures: by name, e.g. `micro_f1`; `MAIN_FIGURE` names the first one to look at.
        before_calibration: calibration error and Brier score of the raw scores; empty: not known.
        oracle: multi-label: micro-F1 with thresholds fitted on these very rows, which nobody can have in advance.
        blend: the scores' share of encoder and baseline; None: they are the encoder's alone.
        subsets: rows that deserve a look of their own: those not seen before, those not left to a person.
        comparison: the baseline, if there is one.
        details: what lies behind the averages.
    """

    task: Task
    rows: int
    groups: int | None
    rows_without_label: int
    rows_given_no_label: int
    rows_for_a_person: int
    seed: int
    seen: dict[str, int] | None
    labels: tuple[LabelLine, ...]
    averages: tuple[AverageLine, ...]
    figures: dict[str, Figure]
    before_calibration: dict[str, float]
    oracle: float | None
    blend: Blend | None
    subsets: tuple[Subset, ...]
    comparison: Comparison | None
    details: "Details"

    @property
    def main_figure(self) -> Figure:
        """Micro-F1 or accuracy."""
        return self.figures[MAIN_FIGURE[self.task]]

    def notes(self) -> tuple[str, ...]:
        """What a reader must know to take the figures for what they are."""
        return tuple(note.english for note in notes_of(self))

    def to_text(self) -> str:
        """The tables as they stand in a terminal."""
        header = ["", "precision", "recall", "f1-score", "support"]
        lines = [[line.label, *_rates(line), f"{line.support:,}" if line.support else "absent"] for line in self.labels]
        averages = [[line.name, *_rates(line), f"{line.support:,}"] for line in self.averages]
        table = aligned([header, *lines, *averages])
        first_average = 1 + len(lines)
        return "\n".join(
            [
                *[table[0], "", *table[1:first_average], "", *table[first_average:], ""],
                *[*aligned(self._figure_rows()), ""],
                *[*self.notes(), ""],
            ]
        )

    def _figure_rows(self) -> list[list[str]]:
        if self.comparison is None:
            return [[FIGURE_NAMES[name], shown(figure)] for name, figure in self.figures.items()]
        rows = [["", "classifier", self.comparison.name, "difference"]]
        for name, figure in self.figures.items():
            other, difference = self.comparison.figures[name], self.comparison.differences[name]
            rows.append([FIGURE_NAMES[name], shown(figure), shown(other), shown(difference, sign="+")])
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, full precision."""
        return asdict(self) | {"notes": list(self.notes())}

    def to_csv(self) -> str:
        """The same tables for a spreadsheet; written as UTF-8 with a BOM, Excel reads it right."""
        rates = ["precision", "recall", "f1-score", "support", "predicted"]
        rest = ["average precision", "threshold", "f1 low", "f1 high", "training rows"]
        rows: list[list[Any]] = [["label", *rates, *rest]]
        for line in self.labels:
            counted = (line.precision, line.recall, line.f1, line.support, line.predicted)
            interval = (line.f1_interval.low, line.f1_interval.high)
            rows.append([line.label, *counted, line.average_precision, line.threshold, *interval, line.training_rows])
        for average in self.averages:
            rows.append([*asdict(average).values(), *[""] * 6])
        rows.append([])
        columns = ["", " low", " high"]
        header = ["figure", *(f"classifier{column}" for column in columns)]
        if self.comparison:
            header += [f"{name}{column}" for name in (self.comparison.name, "difference") for column in columns]
        rows.append(header)
        for name, figure in self.figures.items():
            shown = [figure]
            if self.comparison:
                shown += [self.comparison.figures[name], self.comparison.differences[name]]
            numbers = [x for one in shown for x in (one.value, one.interval.low, one.interval.high)]
            rows.append([FIGURE_NAMES[name], *numbers])
        return csv_text(rows)


def _rates(line: LabelLine | AverageLine) -> list[str]:
    return [f"{value:.4f}" for value in (line.precision, line.recall, line.f1)]
