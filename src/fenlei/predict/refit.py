"""A bundle and labelled rows -> the same bundle with another decision, without training."""

from collections.abc import Sequence

from fenlei.bundle import Bundle
from fenlei.errors import DataError
from fenlei.judge.fitting import DecisionPlan, HeldOut
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
    if examples is None:
        return bundle.refitted(plan, rules)
    seen = bundle.seen
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
    return bundle.refitted(plan, rules, held_out=held_out, seen=seen)
