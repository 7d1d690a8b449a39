"""Fitting a decision on rows that the classifier was not trained on, for a stated goal.

Shapes: B texts, C labels.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import SettingsError
from fenlei.judge.blend import NO_BLEND, Blend, fit_blend
from fenlei.judge.calibration import Method, fit_calibration, known_method
from fenlei.judge.decision import Decision
from fenlei.judge.metrics import Bits, Floats
from fenlei.judge.rules import NO_RULES, Rules
from fenlei.judge.thresholds import MICRO_F1, Goal, Scope, fit_thresholds, known_scope
from fenlei.text.labels import Task

DEFAULT_METHOD: dict[Task, Method] = {"multilabel": "platt", "multiclass": "temperature"}


@dataclass(frozen=True, kw_only=True)
class DecisionPlan:
    """How a decision is fitted.

    Attributes:
        goal: what the thresholds are for; nothing to multi-class.
        scope: how many thresholds there are; None: what won for the goal (see docs/decision.md); nothing to
            multi-class.
        method: of calibration; None: the task's default.
        person_share: the share of rows, the least certain ones, that needs a person.
        blend: whether the baseline has a share in the scores.

    Raises:
        SettingsError: `person_share` lies outside [0, 1], or scope or method are none of the known ones.
    """

    goal: Goal = MICRO_F1
    scope: Scope | None = None
    method: Method | None = None
    person_share: float = 0.0
    blend: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.person_share <= 1:
            raise SettingsError(f"--needs-person is {self.person_share}; it is a share between 0 and 1")
        if self.scope is not None:
            known_scope(self.scope)
        if self.method is not None:
            known_method(self.method, "multilabel")  # which has them all; the task comes with the rows

    @property
    def settled_scope(self) -> Scope:
        """The scope that is fitted: where each label counts the same, own thresholds pay; elsewhere they do not."""
        return self.scope or ("shrunk" if self.goal.measure == "macro-f1" else "global")

    def settled_method(self, task: Task) -> Method:
        """The calibration that is fitted.

        Raises:
            SettingsError: the task has not the named one.
        """
        return known_method(self.method, task) if self.method else DEFAULT_METHOD[task]

    def fit(self, logits: NDArray[Any], truth: NDArray[Any], task: Task, rules: Rules = NO_RULES) -> Decision:
        """Fit calibration, thresholds and the border of certainty on rows that the classifier was not trained on.

        Args:
            logits: (B, C).
            truth: (B, C), 0 or 1; one-hot for multi-class.
            task: of the classifier.
            rules: taken over; thresholds are fitted without them.

        Raises:
            SettingsError: the rules do not fit the task or the labels.
            DataError: a logit is not finite.
        """
        rules.require_labels(logits.shape[1])
        calibration = fit_calibration(logits, truth, task, self.settled_method(task))
        decision = replace(Decision.default(task), calibration=calibration, rules=rules)
        scores = decision.scores(logits)
        if task == "multilabel":
            decision = replace(decision, thresholds=fit_thresholds(scores, truth, self.goal, self.settled_scope))
        if self.person_share:
            certainties = np.sort(decision.certainty(scores))
            least = math.ceil(self.person_share * len(certainties))
            # Just above the last of them, so that it falls below the border, and with it those that tie.
            decision = replace(decision, person_below=min(1.0, float(np.nextafter(certainties[least - 1], 2.0))))
        return decision

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "goal": str(self.goal),
            "thresholds": self.scope,
            "calibration": self.method,
            "needs_person": self.person_share,
            "blend": self.blend,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any], task: Task) -> "DecisionPlan":
        """The inverse of `to_dict`.

        Raises:
            KeyError, SettingsError: it is not one.
        """
        scope, method = plain["thresholds"], plain["calibration"]
        return cls(
            goal=Goal.parse(plain["goal"]),
            scope=None if scope is None else known_scope(scope),
            method=None if method is None else known_method(method, task),
            person_share=float(plain["needs_person"]),
            blend=bool(plain["blend"]),
        )


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Rows that neither the classifier nor its baseline was trained on, as far as a decision needs them.

    Attributes:
        logits: (B, C) of the classifier.
        baseline_logits: (B, C) of the baseline.
        truth: (B, C), 0 or 1.
        source: which rows they are, for people.
    """

    logits: NDArray[np.float32]
    baseline_logits: NDArray[np.float32]
    truth: Bits
    source: str

    def with_more(
        self, logits: NDArray[np.float32], baseline_logits: NDArray[np.float32], truth: Bits, source: str
    ) -> "HeldOut":
        """These rows and others."""
        return HeldOut(
            np.concatenate([self.logits, logits]),
            np.concatenate([self.baseline_logits, baseline_logits]),
            np.concatenate([self.truth, truth]),
            f"{self.source} and {source}",
        )

    def thinned(self, cells: int) -> "HeldOut":
        """Evenly spread rows, so many that they have `cells` cells at most; all if they fit."""
        rows, labels = self.truth.shape
        kept = max(1, cells // labels)
        if rows <= kept:
            return self
        chosen = np.linspace(0, rows - 1, kept).astype(np.int64)
        source = f"{kept:,} of the {rows:,} rows of {self.source}"
        return HeldOut(self.logits[chosen], self.baseline_logits[chosen], self.truth[chosen], source)


@dataclass(frozen=True, eq=False)
class FittedDecision:
    """A decision with what it came from, so that it can be fitted again for another goal.

    Attributes:
        decision: of the classifier.
        blend: of the classifier and its baseline, from which come the logits that the decision takes.
        baseline: of the baseline, fitted in the same way on the same rows: anything less would be unfair to it.
        plan: how they were fitted.
        held_out: on what.
    """

    decision: Decision
    blend: Blend
    baseline: Decision
    plan: DecisionPlan
    held_out: HeldOut

    @classmethod
    def fit(cls, held_out: HeldOut, task: Task, plan: DecisionPlan, rules: Rules = NO_RULES) -> "FittedDecision":
        """Fit both; raises as `DecisionPlan.fit` does."""
        logits, baseline_logits, truth = held_out.logits, held_out.baseline_logits, held_out.truth
        blend = fit_blend(logits, baseline_logits, truth, task) if plan.blend else NO_BLEND
        return cls(
            decision=plan.fit(blend.apply(logits, baseline_logits), truth, task, rules),
            blend=blend,
            baseline=plan.fit(baseline_logits, truth, task, rules),
            plan=plan,
            held_out=held_out,
        )

    def scores(self, logits: NDArray[Any], baseline_logits: NDArray[Any] | None = None) -> Floats:
        """(B, C) logits of both models -> (B, C) scores; the baseline's are needed where the blend has some."""
        return self.decision.scores(self.blend.apply(logits, baseline_logits))
