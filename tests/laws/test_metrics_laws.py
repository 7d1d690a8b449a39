import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as reference

from fenlei.judge.decision import Decision
from fenlei.judge.metrics import Counts
from fenlei.judge.ranking import average_precision
from fenlei.judge.scores import scores_from_logits
from fenlei.judge.thresholds import fit_global_threshold


@st.composite
def judged(draw):
    """Truth and predictions of 1 to 12 rows and 2 to 5 labels."""
    shape = (draw(st.integers(1, 12)), draw(st.integers(2, 5)))
    bits = arrays(np.uint8, shape, elements=st.integers(0, 1))
    return draw(bits), draw(bits)


def same(one, other):
    return all(getattr(one, name) == pytest.approx(getattr(other, name)) for name in vars(one))


@given(judged(), st.integers(0, 12))
def test_sums_of_two_batches_add_up_to_those_of_both(tables, cut):
    truth, predicted = tables
    parts = Counts.of(truth[:cut], predicted[:cut]) + Counts.of(truth[cut:], predicted[cut:])
    assert same(parts, Counts.of(truth, predicted))


@given(judged(), st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(tables, random):
    truth, predicted = tables
    order = random.sample(range(len(truth)), len(truth))
    assert same(Counts.of(truth, predicted), Counts.of(truth[order], predicted[order]))


@given(judged())
def test_every_definition_is_scikit_learns(tables):
    truth, predicted = tables
    counts = Counts.of(truth, predicted)
    for average in (None, "micro", "macro", "weighted", "samples"):
        expected = reference.precision_recall_fscore_support(truth, predicted, average=average, zero_division=0)
        ours = getattr(counts, average or "per_label")()
        for mine, theirs in zip((ours.precision, ours.recall, ours.f1), expected[:3], strict=True):
            assert mine == pytest.approx(theirs)
    assert counts.subset_accuracy() == pytest.approx(reference.accuracy_score(truth, predicted))
    assert counts.hamming_loss() == pytest.approx(reference.hamming_loss(truth, predicted))


@given(judged(), st.integers(1, 4))
def test_average_precision_depends_on_the_order_of_scores_alone(tables, scale):
    truth, ranks = tables
    scores = ranks * scale + np.arange(len(ranks))[:, None] % 3
    assert average_precision(truth, scores) == pytest.approx(average_precision(truth, np.exp(scores / 7)))


@given(judged(), st.data())
def test_fitted_threshold_is_at_least_as_good_as_any_score(tables, data):
    truth, _ = tables
    logits = data.draw(arrays(np.float32, truth.shape, elements=st.floats(-30, 30, width=32)))
    scores = scores_from_logits(logits, "multilabel")
    fitted = Decision(task="multilabel", thresholds=fit_global_threshold(scores, truth))
    ours = Counts.of(truth, fitted.apply(scores)).micro().f1
    for threshold in np.unique(scores):
        assert ours >= Counts.of(truth, scores >= threshold).micro().f1
