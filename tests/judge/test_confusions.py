from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from fenlei.judge.confusions import MOST_LABELS, MOST_PAIRS, co_occurrence, confusions

LABELS = list("甲乙丙丁戊")


@pytest.fixture
def tables():
    random = np.random.default_rng(2)
    truth = (random.random((200, 5)) < 0.3).astype(np.uint8)
    return truth, truth ^ (random.random(truth.shape) < 0.15)


def counted_by_hand(truth, predicted):
    pairs, alone = Counter(), Counter()
    for true, given in zip(truth, predicted, strict=True):
        missed = [LABELS[i] for i in range(5) if true[i] and not given[i]]
        wrong = [LABELS[i] for i in range(5) if given[i] and not true[i]]
        pairs.update((a, b) for a in missed for b in wrong)
        if not wrong:
            alone.update((a, None) for a in missed)
        if not missed:
            alone.update((None, b) for b in wrong)
    return pairs, alone


def test_pairs_are_rows_with_one_label_missed_and_another_given(tables):
    truth, predicted = tables
    pairs, alone = counted_by_hand(truth, predicted)
    found = confusions(truth, predicted, LABELS, "multilabel")
    assert {(pair.true, pair.given): pair.rows for pair in found.pairs} == pairs
    assert {(pair.true, pair.given): pair.rows for pair in found.alone} == alone
    assert (found.pairs_found, found.alone_found) == (len(pairs), len(alone))
    assert [pair.rows for pair in found.pairs] == sorted(pairs.values(), reverse=True)
    first = found.pairs[0]
    assert first.share == pytest.approx(first.rows / truth[:, LABELS.index(first.true)].sum())
    only_given = next(pair for pair in found.alone if pair.true is None)
    assert only_given.share == pytest.approx(only_given.rows / predicted[:, LABELS.index(only_given.given)].sum())
    matrix = np.array(found.matrix.rows)
    assert matrix.shape == (6, 6)
    assert (matrix.diagonal()[:5] == (truth & predicted).sum(axis=0)).all()
    assert matrix[5, 5] == 0
    for (a, b), rows in (pairs + alone).items():
        assert matrix[LABELS.index(a) if a else 5, LABELS.index(b) if b else 5] == rows


def test_a_multiclass_matrix_is_that_of_scikit_learn():
    random = np.random.default_rng(3)
    true, given = random.integers(0, 5, 300), random.integers(0, 5, 300)
    found = confusions(np.eye(5)[true], np.eye(5, dtype=np.uint8)[given], LABELS, "multiclass")
    assert (np.array(found.matrix.rows) == confusion_matrix(true, given)).all()
    assert not found.matrix.nothing
    assert found.alone == ()
    assert sum(pair.rows for pair in found.pairs) == (true != given).sum()


def test_of_many_labels_the_most_mistaken_are_shown_and_the_rest_folded():
    random = np.random.default_rng(4)
    true, given = random.integers(0, 50, 3000), random.integers(0, 50, 3000)
    given[true >= 40] = true[true >= 40]  # the last ten are always right
    labels = [f"{i:02}" for i in range(50)]
    found = confusions(np.eye(50)[true], np.eye(50, dtype=np.uint8)[given], labels, "multiclass")
    whole = confusion_matrix(true, given)
    wrong = whole - np.diag(whole.diagonal())
    mistakes = wrong.sum(axis=0) + wrong.sum(axis=1)
    shown = sorted(sorted(range(50), key=lambda i: -mistakes[i])[:MOST_LABELS])
    assert found.matrix.labels == tuple(labels[i] for i in shown)
    assert found.matrix.others
    matrix, rest = np.array(found.matrix.rows), np.setdiff1d(np.arange(50), shown)
    assert (matrix[:-1, :-1] == whole[np.ix_(shown, shown)]).all()
    assert (matrix[-1, :-1] == whole[np.ix_(rest, shown)].sum(axis=0)).all()
    assert matrix[-1, -1] == whole[np.ix_(rest, rest)].sum()
    assert matrix.sum() == 3000
    assert len(found.pairs) == MOST_PAIRS < found.pairs_found == (wrong > 0).sum()


def test_labels_that_stand_together_are_counted_in_truth_and_predictions(tables):
    truth, predicted = tables
    found = co_occurrence(truth, predicted, LABELS)
    assert found.pairs_found == len(found.pairs) == 10
    for a, b in combinations(range(5), 2):
        pair = next(one for one in found.pairs if (one.first, one.second) == (LABELS[a], LABELS[b]))
        true, given = truth[:, a] & truth[:, b], predicted[:, a] & predicted[:, b]
        assert (pair.true, pair.predicted, pair.both) == (true.sum(), given.sum(), (true & given).sum())
    most = [max(pair.true, pair.predicted) for pair in found.pairs]
    assert most == sorted(most, reverse=True)


def test_rows_all_right_and_rows_without_any_label():
    truth = np.eye(5, dtype=np.uint8)
    right = confusions(truth, truth, LABELS, "multilabel")
    assert (right.pairs, right.alone) == ((), ())
    nothing = np.zeros((3, 5), np.uint8)
    assert np.array(confusions(nothing, nothing, LABELS, "multilabel").matrix.rows).sum() == 0
    assert co_occurrence(nothing, nothing, LABELS).pairs == ()
