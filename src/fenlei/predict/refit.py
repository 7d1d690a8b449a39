"""A bundle and labelled rows -> the same bundle with another decision, without training."""

from collections.abc import Sequence
from dataclasses import replace

from fenlei.bundle import Bundle
from fenlei.errors import DataError
from fenlei.judge.fitting import DecisionPlan, FittedDecision, HeldOut
from fenlei.judge.rules import Rules
from fenlei.predict.scoring import Advance, Scorer
from fenlei.text.example import Example, fingerprints, text_fingerprint


def refit(
    scorer: Scorer,
    plan: DecisionPlan | None,
    rules: Rules | None,
    examples: Sequence[Example] | None,
    source: str,
    advance: Advance,
) -> Bundle:
    """The bundle with its decision fitted anew; arguments and errors as for `Classifier.refit_decision`."""
    bundle = scorer.bundle
    present, seen, held_out = bundle.decision, bundle.seen, bundle.decision.held_out
    if examples is not None:
        trained_on = (seen or {}).get("train", frozenset())
        rows = [row for row in examples if text_fingerprint(row.text) not in trained_on]
        left_out = len(examples) - len(rows)
        if not rows:
            raise DataError(
                f"there is no row to fit on: {len(examples):,} were given, and {left_out:,} were in training",
                hint="give labelled rows that the classifier was not trained on",
            )
        truth = bundle.labels.encode(rows, bundle.task)
        texts = [row.text for row in rows]
        if left_out:
            source += f", less {left_out:,} rows of the training part"
        if seen is None:
            source += " (perhaps with rows of the training part: the bundle keeps no fingerprints)"
        held_out = HeldOut(scorer.logits(texts, advance=advance), scorer.baseline_logits(texts), truth, source)
        if seen is not None:
            seen = seen | {"decision": seen.get("decision", frozenset()) | fingerprints(rows)}
    fitted = FittedDecision.fit(
        held_out, bundle.task, plan or present.plan, present.decision.rules if rules is None else rules
    )
    return replace(bundle, decision=fitted, previous=present, seen=seen)
