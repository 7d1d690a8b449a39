"""Labelled examples -> what a bundle is worth on them.

Shapes: B examples, C labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import DataError
from fenlei.judge.error_rows import ErrorRow, error_rows
from fenlei.judge.evaluation import Baseline, build_report
from fenlei.judge.report import Report
from fenlei.judge.row_facts import Lengths
from fenlei.judge.scores import scores_from_logits
from fenlei.predict.origin import Origin, origin_of
from fenlei.predict.scoring import Advance, Scorer
from fenlei.text.example import Example, readable_text, text_fingerprint


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation gives.

    Attributes:
        report: the figures.
        errors: the rows that were got wrong, most confident first.
        scores: (B, C).
        origin: where all this comes from.
    """

    report: Report
    errors: list[ErrorRow]
    scores: NDArray[np.float64]
    origin: Origin


def evaluate(scorer: Scorer, examples: Sequence[Example], advance: Advance) -> Evaluation:
    """Measure a bundle, and its linear baseline beside it.

    Raises:
        DataError: there are no rows, or a label is unknown to the classifier.
    """
    if not examples:
        raise DataError("there are no rows to evaluate")
    bundle = scorer.bundle
    decision, baseline_decision = bundle.decision.decision, bundle.decision.baseline
    truth = bundle.labels.encode(examples, bundle.task)
    texts = [example.text for example in examples]
    table = scorer.encode(texts)
    logits, baseline_logits = scorer.logits_of(table, advance=advance), scorer.baseline_logits(texts)
    scores, baseline_scores = bundle.decision.scores(logits, baseline_logits), baseline_decision.scores(baseline_logits)
    report = build_report(
        truth,
        scores,
        decision,
        bundle.labels.names,
        uncalibrated=scores_from_logits(logits, bundle.task),
        blend=bundle.decision.blend,
        baseline=Baseline(
            name="TF-IDF + linear", predicted=baseline_decision.apply(baseline_scores), scores=baseline_scores
        ),
        groups=groups_of(examples),
        seen=None if bundle.seen is None else found_in(texts, bundle.seen),
        training_rows=bundle.record["training"].get("label_rows"),
        lengths=Lengths(tokens=table.full_lengths, cut=table.cut),
    )
    shown = [readable_text(text) for text in texts]
    errors = error_rows([example.id for example in examples], shown, truth, scores, decision, bundle.labels.names)
    return Evaluation(report, errors, scores, origin_of(bundle, scorer.runtime))


def found_in(texts: Sequence[str], seen: dict[str, frozenset[str]]) -> dict[str, NDArray[np.bool_]]:
    """For each part, (B,) whether a text was in it."""
    prints = [text_fingerprint(text) for text in texts]
    return {part: np.array([one in known for one in prints], dtype=bool) for part, known in seen.items()}


def groups_of(examples: Sequence[Example]) -> list[str] | None:
    """Which rows the bootstrap draws together; None: every row alone."""
    if all(example.group is None for example in examples):
        return None
    # By place and not by id, which may come again in rows made from Python; no file has a group with NUL in its name.
    return [example.group or f"\0{row}" for row, example in enumerate(examples)]
