import numpy as np
import pytest

from fenlei.judge.row_facts import Lengths, bins_of_equal_count, row_facts


@pytest.fixture
def tables():
    random = np.random.default_rng(5)
    truth = (random.random((400, 6)) < 0.35).astype(np.uint8)
    return truth, truth ^ (random.random(truth.shape) < 0.05)


@pytest.fixture
def lengths():
    tokens = np.random.default_rng(6).integers(3, 200, 400)
    return Lengths(tokens=tokens, cut=tokens > 128)


def test_every_row_is_in_one_bin_of_each_kind_and_shares_are_those_of_its_rows(tables, lengths):
    truth, predicted = tables
    found = row_facts(truth, predicted, "multilabel", lengths, seed=0, groups=None)
    wrong = (truth != predicted).any(axis=1)
    labels = truth.sum(axis=1)
    assert len(found.by_length) == 8
    for one in found.by_length:
        own = (lengths.tokens >= one.low) & (lengths.tokens <= one.high)
        assert one.rows == own.sum()
        assert one.wrong.value == pytest.approx(wrong[own].mean())
        assert one.wrong.interval.low < one.wrong.value < one.wrong.interval.high
    assert [(one.low, one.rows) for one in found.by_truncation] == [
        (0, (lengths.tokens <= 128).sum()),
        (1, (lengths.tokens > 128).sum()),
    ]
    assert [one.low for one in found.by_labels] == [0, 1, 2, 3, 4]
    for one in found.by_labels:
        own = labels == one.low if one.low < 4 else labels >= 4
        assert (one.rows, one.high) == (own.sum(), labels[own].max())
        assert one.wrong.value == pytest.approx(wrong[own].mean())
    for kind in (found.by_length, found.by_truncation, found.by_labels):
        assert sum(one.rows for one in kind) == 400


def test_intervals_are_about_as_wide_as_theory_says(tables, lengths):
    truth, predicted = tables
    one = row_facts(truth, predicted, "multilabel", lengths, seed=0, groups=None).by_truncation[0]
    expected = 2 * 1.96 * np.sqrt(one.wrong.value * (1 - one.wrong.value) / one.rows)
    assert one.wrong.interval.high - one.wrong.interval.low == pytest.approx(expected, rel=0.2)
    together = np.arange(400) // 10
    whole = row_facts(
        np.repeat(truth[::10], 10, axis=0),
        np.repeat(predicted[::10], 10, axis=0),
        "multilabel",
        lengths,
        seed=0,
        groups=together,
    ).by_truncation[0]
    alone = row_facts(
        np.repeat(truth[::10], 10, axis=0),
        np.repeat(predicted[::10], 10, axis=0),
        "multilabel",
        lengths,
        seed=0,
        groups=None,
    ).by_truncation[0]
    assert np.ptp([whole.wrong.interval.low, whole.wrong.interval.high]) > 1.5 * np.ptp(
        [alone.wrong.interval.low, alone.wrong.interval.high]
    )


def test_equal_lengths_stay_together():
    assert bins_of_equal_count(np.full(10, 4), 8).tolist() == [0] * 10
    bins = bins_of_equal_count(np.array([1, 1, 1, 1, 1, 1, 1, 2, 3]), 4)
    assert len(set(bins[:7].tolist())) == 1
    assert len(set(bins.tolist())) > 1


def test_what_is_not_known_is_left_out(tables):
    truth, predicted = tables
    found = row_facts(truth, predicted, "multilabel", None, seed=0, groups=None)
    assert (found.by_length, found.by_truncation) == ((), ())
    assert found.by_labels
    classes = np.eye(6, dtype=np.uint8)[np.arange(400) % 6]
    assert row_facts(classes, classes, "multiclass", None, seed=0, groups=None).by_labels == ()
