"""The figures of a system on rows and on their resamples, and how far two systems' lie apart: whence the intervals.

Shapes: B rows, C labels, R resamples.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.judge.bootstrap import Interval, mean_interval, percentile_interval, resampled_counts
from fenlei.judge.figures import Figure
from fenlei.judge.metrics import Bits, Counts, Floats, Integers
from fenlei.text.labels import Task


@dataclass(frozen=True, eq=False)
class OfLabels:
    """One figure of each label.

    Attributes:
        each: (C,) on the rows.
        resampled: (R, C) on the resamples.
        support: (C,) rows of each label.
    """

    each: Floats
    resampled: Floats
    support: Integers

    def only(self, columns: Sequence[int]) -> "OfLabels":
        """Those of some labels."""
        return OfLabels(self.each[list(columns)], self.resampled[:, list(columns)], self.support[list(columns)])


@dataclass(frozen=True, eq=False)
class Resampled:
    """The figures of a system, their means over several, or the differences of two.

    Attributes:
        values: () each, by name.
        resampled: (R,) each, of those that are no means over labels.
        of_labels: of those that are.
        lowest: what none of them can go below.
    """

    values: dict[str, Floats]
    resampled: dict[str, Floats]
    of_labels: dict[str, OfLabels]
    lowest: float = 0.0

    @classmethod
    def counted(
        cls,
        truth: NDArray[Any],
        given: Bits,
        task: Task,
        *,
        seed: int,
        groups: NDArray[Any] | None = None,
        parts: Mapping[str, Sequence[int]] | None = None,
    ) -> "Resampled":
        """What follows from given labels: the figures of `counted_figures`.

        Args:
            truth: (B, C), 0 or 1.
            given: (B, C), 0 or 1.
            task: of the system.
            seed, groups: as in `resampled_counts`.
            parts: columns of some labels by the name that their macro-F1 gets.
        """
        counts = Counts.of(truth, given)

        def measures(resample: Counts) -> dict[str, Floats]:
            return {**counted_figures(resample, task), "f1": resample.per_label(drawn_from=counts).f1}

        resampled = resampled_counts(truth, given, measures, seed=seed, groups=groups)
        f1 = OfLabels(counts.per_label().f1, resampled.pop("f1"), counts.support)
        del resampled["macro_f1"]
        of_parts = {name: f1.only(columns) for name, columns in (parts or {}).items()}
        values = {**counted_figures(counts, task), **{name: one.each.mean() for name, one in of_parts.items()}}
        return cls(values, resampled, {"macro_f1": f1, **of_parts})

    @classmethod
    def mean(cls, runs: Sequence["Resampled"]) -> "Resampled":
        """Over several systems on the same rows and resamples."""
        return cls._combined(runs, lambda arrays: np.mean(arrays, axis=0))

    def minus(self, other: "Resampled") -> "Resampled":
        """The differences to another on the same rows and resamples."""
        return replace(self._combined([self, other], lambda arrays: arrays[0] - arrays[1]), lowest=-1.0)

    @classmethod
    def _combined(cls, systems: Sequence["Resampled"], combine: Callable[[list[Floats]], Floats]) -> "Resampled":
        """Each figure of the systems made into one."""
        first = systems[0]
        return cls(
            {name: combine([one.values[name] for one in systems]) for name in first.values},
            {name: combine([one.resampled[name] for one in systems]) for name in first.resampled},
            {
                name: OfLabels(
                    combine([one.of_labels[name].each for one in systems]),
                    combine([one.of_labels[name].resampled for one in systems]),
                    of_labels.support,
                )
                for name, of_labels in first.of_labels.items()
            },
        )

    def figures(self) -> dict[str, Figure]:
        """Each with its interval."""
        return {name: Figure(float(value), self._interval(name)) for name, value in self.values.items()}

    def _interval(self, name: str) -> Interval:
        if (one := self.of_labels.get(name)) is None:
            return percentile_interval(self.resampled[name])
        return mean_interval(one.each, one.resampled, one.support, lowest=self.lowest)


def counted_figures(counts: Counts, task: Task) -> dict[str, Floats]:
    """The figures of a task that follow from sums, () or (R,) each."""
    macro = {"macro_f1": counts.macro().f1, "weighted_f1": counts.weighted().f1}
    if task == "multiclass":
        return {"accuracy": counts.subset_accuracy(), **macro}
    return {
        "micro_f1": counts.micro().f1,
        **macro,
        "samples_f1": counts.samples().f1,
        "subset_accuracy": counts.subset_accuracy(),
        "hamming_loss": counts.hamming_loss(),
    }
