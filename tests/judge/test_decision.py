import json

import numpy as np
import pytest

from fenlei.errors import BundleError, SettingsError
from fenlei.judge.calibration import Calibration
from fenlei.judge.decision import Decision
from fenlei.judge.rules import Rules


def test_multilabel_gives_every_label_that_reaches_its_threshold():
    scores = np.array([[0.5, 0.2, 0.49], [0.1, 0.3, 0.2]])
    assert Decision(task="multilabel", thresholds=0.5).apply(scores).tolist() == [[1, 0, 0], [0, 0, 0]]
    each = Decision(task="multilabel", thresholds=(0.6, 0.2, 0.2))
    assert each.apply(scores).tolist() == [[0, 1, 1], [0, 1, 1]]
    assert each.apply(scores).dtype == np.uint8


def test_multiclass_gives_the_highest_score_and_of_equals_the_first():
    decision = Decision(task="multiclass", thresholds=None)
    assert decision.apply(np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]])).tolist() == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    "decision",
    [
        Decision.default("multilabel"),
        Decision.default("multiclass"),
        Decision(task="multilabel", thresholds=0.1 + 0.2),
        Decision(task="multilabel", thresholds=(0.25, 1 / 3)),
        Decision(
            task="multilabel",
            thresholds=(0.1, 0.2, 0.3),
            calibration=Calibration(slopes=(1 / 3, 2.0, 1.0), intercepts=(-0.1, 0.0, 1e-9)),
            rules=Rules(at_least_one=True, at_most=2, parents=((1, 0),), exclusive=((0, 2),)),
            person_below=0.05,
        ),
    ],
)
def test_json_brings_back_the_same_decision(decision):
    assert Decision.from_dict(json.loads(json.dumps(decision.to_dict()))) == decision


def test_decisions_that_contradict_themselves_are_refused():
    with pytest.raises(SettingsError, match=r"unknown task 'ranking'; it is one of multilabel, multiclass"):
        Decision(task="ranking", thresholds=0.5)
    with pytest.raises(SettingsError, match=r"a multiclass decision cannot have the threshold 0\.5"):
        Decision(task="multiclass", thresholds=0.5)
    with pytest.raises(SettingsError, match=r"a multilabel decision cannot have the threshold None"):
        Decision(task="multilabel", thresholds=None)
    for threshold in (1.5, -0.1, float("nan"), (0.5, 2.0)):
        with pytest.raises(SettingsError, match=r"lies outside \[0, 1\]"):
            Decision(task="multilabel", thresholds=threshold)


def test_thresholds_for_other_labels_are_refused():
    with pytest.raises(ValueError, match="2 thresholds for 3 labels"):
        Decision(task="multilabel", thresholds=(0.5, 0.5)).apply(np.zeros((1, 3)))


def test_damaged_json_is_refused():
    whole = Decision.default("multilabel").to_dict()
    with pytest.raises(BundleError, match=r"a decision has the fields task, thresholds, .* not \['task'\]"):
        Decision.from_dict({"task": "multilabel"})
    with pytest.raises(BundleError, match=r"not \[.*'more'"):
        Decision.from_dict(whole | {"more": 1})
    damage = [("thresholds", value) for value in ("high", ["a"], 7, {})]
    damage += [("calibration", {"slopes": [1]}), ("calibration", {"slopes": [-1.0], "intercepts": [0.0]})]
    damage += [("rules", {}), ("rules", whole["rules"] | {"at_most": 0}), ("person_below", "much"), ("person_below", 2)]
    for name, value in damage:
        with pytest.raises(BundleError, match="cannot be right"):
            Decision.from_dict(whole | {name: value})


def test_what_a_multiclass_decision_cannot_have_is_refused():
    with pytest.raises(SettingsError, match="gives exactly one label"):
        Decision(task="multiclass", thresholds=None, rules=Rules(at_least_one=True))
    with pytest.raises(SettingsError, match="no intercept"):
        Decision(task="multiclass", thresholds=None, calibration=Calibration(intercepts=(0.5,)))


def test_a_temperature_never_changes_the_winning_class():
    logits = np.random.default_rng(0).normal(size=(50, 4)) * 5
    hot = Decision(task="multiclass", thresholds=None, calibration=Calibration(slopes=(0.1,)))
    cold = Decision.default("multiclass")
    assert (hot.apply(hot.scores(logits)) == cold.apply(cold.scores(logits))).all()
    assert hot.scores(logits).max() < cold.scores(logits).max()
    assert hot.scores(logits).sum(axis=1) == pytest.approx(np.ones(50))


def test_certainty_is_the_way_to_other_labels():
    decision = Decision(task="multilabel", thresholds=(0.5, 0.2), person_below=0.1)
    scores = np.array([[0.9, 0.25], [0.45, 0.0], [0.9, 0.9]])
    assert decision.certainty(scores) == pytest.approx([0.05, 0.05, 0.4])
    assert decision.needs_person(scores).tolist() == [True, True, False]
    ruled = Decision(task="multilabel", thresholds=0.5, rules=Rules(at_least_one=True, at_most=1))
    assert ruled.certainty(np.array([[0.9, 0.8999], [0.3, 0.2999], [1.0, 0.0]])) == pytest.approx([1e-4, 1e-4, 1.0])
    classes = Decision(task="multiclass", thresholds=None, person_below=0.1)
    scores = np.array([[0.5, 0.45, 0.05], [0.1, 0.8, 0.1]])
    assert classes.certainty(scores) == pytest.approx([0.05, 0.7])
    assert classes.needs_person(scores).tolist() == [True, False]
    assert not Decision.default("multiclass").needs_person(np.array([[0.5, 0.5]])).any()


def test_blocks_change_nothing(monkeypatch):
    scores = np.random.default_rng(0).random((50, 6))
    decision = Decision(
        task="multilabel", thresholds=(0.5,) * 6, rules=Rules(at_most=2, at_least_one=True), person_below=0.1
    )
    whole = decision.apply(scores), decision.certainty(scores)
    monkeypatch.setattr("fenlei.judge.metrics._BLOCK", 20)
    assert (decision.apply(scores) == whole[0]).all()
    assert (decision.certainty(scores) == whole[1]).all()
