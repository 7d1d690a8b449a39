import json

import numpy as np
import pytest

from fenlei.errors import DataError, SettingsError
from fenlei.judge.decision import Decision
from fenlei.judge.fitting import DecisionPlan, FittedDecision, HeldOut
from fenlei.judge.rules import Rules
from fenlei.judge.thresholds import Goal


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    truth = (rng.random((400, 3)) < [0.5, 0.2, 0.05]).astype(np.uint8)
    return (4.0 * truth - 1 + rng.normal(size=truth.shape) * 2).astype(np.float32), truth


def test_what_is_fitted_follows_from_the_plan(rows):
    logits, truth = rows
    assert isinstance(DecisionPlan().fit(logits, truth, "multilabel").thresholds, float)
    macro = DecisionPlan(goal=Goal.parse("macro-f1"))
    assert macro.settled_scope == "shrunk"
    assert len(macro.fit(logits, truth, "multilabel").thresholds) == 3
    fixed = DecisionPlan(scope="fixed", method="none").fit(logits, truth, "multilabel", Rules(at_least_one=True))
    assert fixed == Decision(task="multilabel", thresholds=0.5, rules=Rules(at_least_one=True))
    assert len(DecisionPlan().fit(logits, truth, "multilabel").calibration.slopes) == 3


def test_multiclass_has_a_temperature_and_no_threshold(rows):
    logits, _ = rows
    truth = np.eye(3, dtype=np.uint8)[np.random.default_rng(1).integers(3, size=400)]
    decision = DecisionPlan(person_share=0.25).fit(logits, truth, "multiclass")
    assert decision.thresholds is None
    # The classes have nothing to do with these logits, and the scores come to say so.
    assert decision.scores(logits).max() < 0.6
    assert decision.needs_person(decision.scores(logits)).mean() == pytest.approx(0.25, abs=0.01)


def test_the_asked_share_of_rows_needs_a_person(rows):
    logits, truth = rows
    decision = DecisionPlan(person_share=0.1).fit(logits, truth, "multilabel")
    assert decision.needs_person(decision.scores(logits)).mean() == pytest.approx(0.1, abs=0.005)
    tied = np.repeat(logits[:5], 20, axis=0), np.repeat(truth[:5], 20, axis=0)
    for share in (0.05, 0.3, 1.0):
        decision = DecisionPlan(person_share=share).fit(*tied, "multilabel")
        assert decision.needs_person(decision.scores(tied[0])).mean() >= share
    with pytest.raises(SettingsError, match="--needs-person is 5; it is a share between 0 and 1"):
        DecisionPlan(person_share=5)


def test_plans_survive_json():
    for plan in (
        DecisionPlan(),
        DecisionPlan(goal=Goal.parse("precision=0.9"), scope="label", method="temperature", person_share=0.05),
    ):
        assert DecisionPlan.from_dict(json.loads(json.dumps(plan.to_dict())), "multilabel") == plan


def test_logits_that_are_no_numbers_are_refused(rows):
    logits, truth = rows
    logits[3, 1] = np.nan
    with pytest.raises(DataError, match="not finite"):
        DecisionPlan(method="none").fit(logits, truth, "multilabel")


def test_the_baseline_gets_the_same_plan(rows):
    logits, truth = rows
    held_out = HeldOut(logits, logits * 3 + 1, truth, "dev")
    fitted = FittedDecision.fit(held_out, "multilabel", DecisionPlan(goal=Goal.parse("macro-f1")))
    assert fitted.baseline == fitted.plan.fit(held_out.baseline_logits, truth, "multilabel")
    assert fitted.baseline.calibration.slopes[0] < fitted.decision.calibration.slopes[0]


def test_many_rows_are_thinned_evenly(rows):
    logits, truth = rows
    held_out = HeldOut(logits, logits, truth, "dev")
    assert held_out.thinned(1200) is held_out
    thin = held_out.thinned(300)
    assert thin.source == "100 of the 400 rows of dev"
    assert (thin.logits == logits[np.linspace(0, 399, 100).astype(int)]).all()
    assert thin.truth.shape == (100, 3)


@pytest.mark.parametrize(("share", "rows"), [(0.01, 1), (0.11, 2), (0.2, 2), (0.21, 3)])
def test_the_share_for_a_person_is_never_less_than_asked(share, rows):
    logits = np.linspace(0.1, 3, 10)[:, None] * np.array([[1.0, -1.0]])
    decision = DecisionPlan(person_share=share).fit(logits, np.array([[1, 0]] * 10), "multiclass")
    assert decision.needs_person(decision.scores(logits)).sum() == rows
