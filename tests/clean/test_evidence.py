from types import SimpleNamespace

import numpy as np
import pytest

from fenlei.clean.evidence import evidence_of_bundle, evidence_of_folds
from fenlei.errors import BundleError, DataError
from fenlei.text.example import Example


def test_folds_give_calibrated_scores_of_every_row(multilabel_rows, multiclass_rows):
    for rows, task in ((multilabel_rows, "multilabel"), (multiclass_rows, "multiclass")):
        evidence = evidence_of_folds(rows, task, folds=4, seed=0)
        truth = evidence.labels.encode(rows, task)
        assert evidence.scores.shape == truth.shape
        assert ((evidence.scores > 0.5) == (truth != 0)).mean() > 0.95
        assert evidence.known.all()
        assert not evidence.seen.any()
        assert evidence.source == "4 folds, TF-IDF + linear"
        if task == "multiclass":
            assert evidence.scores.sum(axis=1) == pytest.approx(1)


def test_one_label_is_nothing_to_tell_apart(multiclass_rows):
    alike = [Example(row.id, row.text, ("财经",)) for row in multiclass_rows]
    with pytest.raises(DataError, match="1 labels occur in the 90 rows: there is nothing to tell apart"):
        evidence_of_folds(alike, "multiclass", folds=3, seed=0)
    none = [Example(row.id, row.text, ()) for row in multiclass_rows]
    with pytest.raises(DataError, match="0 labels occur"):
        evidence_of_folds(none, "multilabel", folds=3, seed=0)


def classifier_that_saw(seen):
    """Scores every text 0.25 and 0.75, and refuses those it has seen."""

    def scores(texts, *, advance):
        assert not set(texts) & set(seen or ())
        advance(len(texts))
        return np.tile([0.25, 0.75], (len(texts), 1))

    def has_seen(texts):
        return None if seen is None else np.array([text in seen for text in texts])

    return SimpleNamespace(task="multilabel", labels=("体育", "财经"), scores=scores, has_seen=has_seen)


def test_a_bundle_judges_only_what_it_has_not_seen():
    rows = [Example(text, text, ()) for text in "abc"]
    done = []
    evidence = evidence_of_bundle(classifier_that_saw({"b"}), rows, name="runs/news", advance=done.append)
    assert evidence.seen.tolist() == [False, True, False]
    assert evidence.known.tolist() == [[True, True], [False, False], [True, True]]
    assert evidence.scores[[0, 2]].tolist() == [[0.25, 0.75], [0.25, 0.75]]
    assert (evidence.labels.names, evidence.source, done) == (("体育", "财经"), "runs/news", [1, 2])


def test_a_bundle_that_cannot_tell_or_has_seen_everything_is_no_evidence():
    rows = [Example("a", "a", ())]
    with pytest.raises(DataError, match="all 1 rows helped to make runs/news: its scores of them are no evidence"):
        evidence_of_bundle(classifier_that_saw({"a"}), rows, name="runs/news")
    with pytest.raises(BundleError, match="runs/news keeps no fingerprints: which rows it was trained on") as caught:
        evidence_of_bundle(classifier_that_saw(None), rows, name="runs/news")
    assert caught.value.hint == "judge by folds: leave out --bundle"
