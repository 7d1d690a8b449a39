import sys
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fenlei.errors import SettingsError
from fenlei.judge.label_errors import SURE, Method, find_label_errors


def everything(shape):
    return np.ones(shape, dtype=bool)


def two_topics(rows=40, seed=0):
    """Scores that are nearly right about the true labels of two topics."""
    truth = np.zeros((rows, 2), dtype=np.uint8)
    truth[: rows // 2, 0] = 1
    truth[rows // 4 : 3 * rows // 4, 1] = 1
    scores = np.clip(truth * 0.8 + 0.1 + np.random.default_rng(seed).normal(0, 0.03, truth.shape), 0.01, 0.99)
    return truth, scores


def test_a_wrong_and_a_missing_label_are_found_with_their_names_and_nothing_else():
    truth, scores = two_topics()
    given = truth.copy()
    given[3, 0] = 0  # has it, not given
    given[35, 1] = 1  # has it not, given
    scores[3, 0], scores[35, 1] = 0.97, 0.02  # confident learning counts what is surer than its class is on average
    found = find_label_errors(given, scores, everything(given.shape), "multilabel")
    assert np.argwhere(found.missing).tolist() == [[3, 0]]
    assert np.argwhere(found.wrong).tolist() == [[35, 1]]
    assert set(found.suspects().tolist()) == {3, 35}
    assert found.quality[3] == pytest.approx(1 - scores[3, 0])
    assert found.quality[35] == pytest.approx(scores[35, 1])
    assert found.suspects()[0] == found.quality.argmin()


def test_a_class_that_is_taken_for_another_is_wrong_and_the_other_missing():
    classes = np.repeat(np.arange(3), 10)
    scores = np.full((30, 3), 0.05)
    scores[np.arange(30), classes] = 0.9
    given = np.eye(3, dtype=np.uint8)[classes]
    given[4], given[15] = (0, 0, 1), (1, 0, 0)
    scores[4, 0] = 0.88  # a little less sure, so that it comes second
    found = find_label_errors(given, scores / scores.sum(axis=1, keepdims=True), everything(given.shape), "multiclass")
    assert np.argwhere(found.wrong).tolist() == [[4, 2], [15, 0]]
    assert np.argwhere(found.missing).tolist() == [[4, 0], [15, 1]]
    assert found.suspects().tolist() == [15, 4]


def test_what_the_model_could_not_know_is_not_judged():
    truth, scores = two_topics()
    given = truth.copy()
    given[3, 0], given[35, 1] = 0, 1
    known = everything(given.shape)
    known[3, 0] = False
    known[35] = False
    found = find_label_errors(given, scores, known, "multilabel")
    assert not found.wrong.any()
    assert not found.missing.any()
    assert found.quality[3] == pytest.approx(np.where(given[3, 1], scores[3, 1], 1 - scores[3, 1]))
    assert np.isnan(found.quality[35])

    classes = np.repeat(np.arange(2), 10)
    scores = np.where(np.eye(2)[classes] != 0, 0.95, 0.05)
    given = np.eye(2, dtype=np.uint8)[classes]
    given[0] = (0, 1)
    known = everything(given.shape)
    assert find_label_errors(given, scores, known, "multiclass").suspects().tolist() == [0]
    known[0] = False
    found = find_label_errors(given, scores, known, "multiclass")
    assert found.suspects().tolist() == []
    assert np.isnan(found.quality[0])


def test_label_by_label_it_is_cleanlabs_own_multilabel_filter():
    """But for what the scores agree with, which is left out, and what they contradict for sure, which is added."""
    from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class

    random = np.random.default_rng(5)
    truth = (random.random((200, 4)) < 0.3).astype(np.uint8)
    scores = np.clip(truth * 0.5 + random.random(truth.shape) * 0.5, 0.01, 0.99)
    flips = random.random(truth.shape) < 0.08
    given = np.where(flips, 1 - truth, truth)
    found = find_label_errors(given, scores, everything(given.shape), "multilabel", "confident_learning")
    lists = [np.flatnonzero(row).tolist() for row in given]
    theirs = find_multilabel_issues_per_class(lists, scores, filter_by="confident_learning", n_jobs=1)
    chance = np.where(given != 0, scores, 1 - scores)
    assert ((found.wrong | found.missing) == ((theirs & (chance < 0.5)) | (chance <= 1 - SURE))).all()
    assert (theirs & (chance < 0.5) & (chance > 1 - SURE)).any()


def test_a_gross_error_is_found_also_beside_a_model_that_is_surer_of_everything_else():
    classes = np.repeat(np.arange(2), 20)
    scores = np.where(np.eye(2)[classes] != 0, 0.9999, 0.0001)
    scores[3] = (0.998, 0.002)
    given = np.eye(2, dtype=np.uint8)[classes]
    given[3] = (0, 1)
    for task in ("multiclass", "multilabel"):
        found = find_label_errors(given, scores, everything(given.shape), task)
        assert found.suspects().tolist() == [3]
        assert np.argwhere(found.missing).tolist() == [[3, 0]]
    scores[3] = (0.9, 0.1)
    assert find_label_errors(given, scores, everything(given.shape), "multiclass").suspects().tolist() == []


def test_a_label_that_no_row_has_may_be_missing():
    """As with a bundle that knows more labels than the rows it judges."""
    given, scores = np.zeros((3, 1), dtype=np.uint8), np.array([[0.1], [0.96], [0.9]])
    assert np.argwhere(find_label_errors(given, scores, everything((3, 1)), "multilabel").missing).tolist() == [[1, 0]]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_table_can_be_judged_and_suspicions_are_about_what_was_given(data):
    """Rows without labels and with all, labels of one row and of none, single rows, columns and classes."""
    shape = (data.draw(st.integers(1, 12)), data.draw(st.integers(1, 4)))
    scores = data.draw(arrays.arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.1, 0.5, 0.8, 1.0])))
    known = data.draw(arrays.arrays(np.bool_, shape))
    method = data.draw(st.sampled_from(get_args(Method)))
    if data.draw(st.booleans()):
        given = data.draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, 1)))
        found = find_label_errors(given, scores, known, "multilabel", method)
        assert not ((found.wrong | found.missing) & ~known).any()
    else:
        given = np.eye(shape[1], dtype=np.uint8)[[data.draw(st.integers(0, shape[1] - 1)) for _ in range(shape[0])]]
        found = find_label_errors(given, scores, known, "multiclass", method)
        assert (found.wrong.sum(axis=1) == found.missing.sum(axis=1)).all()
        assert not (found.wrong & ~known).any()
    assert not (found.wrong & (given == 0)).any()
    assert not (found.missing & (given == 1)).any()
    assert not np.isnan(found.quality[found.suspects()]).any()


def test_scores_that_agree_with_what_was_given_are_no_suspicion():
    """However many errors cleanlab's estimate says that there are."""
    rng = np.random.default_rng(1)
    truth = (rng.random((60, 2)) < 0.5).astype(np.uint8)
    scores = np.clip(np.where(truth, 0.62, 0.38) + rng.normal(0, 0.1, truth.shape), 0.01, 0.99)
    method = "low_self_confidence"
    found = find_label_errors(truth, scores, np.ones_like(truth, bool), "multilabel", method)
    chance = np.where(truth, scores, 1 - scores)
    assert (found.wrong | found.missing).any()
    assert chance[found.wrong | found.missing].max() < 0.5


def test_without_cleanlab_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    truth, scores = two_topics()
    with pytest.raises(SettingsError, match="needs cleanlab, which is not installed") as caught:
        find_label_errors(truth, scores, everything(truth.shape), "multilabel")
    assert caught.value.hint == "pip install 'fenlei[clean]'"
