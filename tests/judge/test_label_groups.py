import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_fscore_support

from fenlei.judge.label_groups import group_of_label, label_groups
from fenlei.judge.metrics import Counts

ROWS = np.array([3, 100, 40, 30, 9, 9, 9, 0])


def test_groups_are_cut_by_what_more_frequent_labels_hold():
    # 200 in all: above 40 stand 100 (a half), above the nines 170 (0.85), above 3 stand 197.
    assert group_of_label(ROWS).tolist() == [2, 0, 1, 1, 1, 1, 1, 2]
    order = np.random.default_rng(0).permutation(8)
    assert (group_of_label(ROWS[order]) == group_of_label(ROWS)[order]).all()


def test_equal_labels_and_tables_without_any_label_are_one_group():
    assert group_of_label(np.full(5, 7)).tolist() == [0] * 5
    assert group_of_label(np.zeros(3, np.int64)).tolist() == [0] * 3


@pytest.fixture
def tables():
    random = np.random.default_rng(1)
    truth = random.random((300, 8)) < [0.02, 0.5, 0.2, 0.15, 0.05, 0.05, 0.05, 0]
    return truth, truth ^ (random.random(truth.shape) < 0.1)


def test_each_group_is_judged_as_scikit_learn_judges_its_columns(tables):
    truth, predicted = tables
    counts = Counts.of(truth, predicted)
    resampled = np.tile(counts.per_label().f1, (50, 1)) + np.linspace(-0.1, 0.1, 50)[:, None]
    found = label_groups(counts, resampled, ROWS.tolist())
    assert found.by == "training"
    assert [(one.name, one.labels, one.fewest, one.most) for one in found.groups] == [
        ("head", 1, 100, 100),
        ("middle", 5, 9, 40),
        ("tail", 2, 0, 3),
    ]
    for group, columns in zip(found.groups, ([1], [2, 3, 4, 5, 6], [0, 7]), strict=True):
        expected = precision_recall_fscore_support(
            truth[:, columns], predicted[:, columns], average="micro", zero_division=0
        )
        # One column alone would be taken for two classes.
        if len(columns) > 1:
            assert (group.precision, group.recall, group.f1) == pytest.approx(expected[:3])
        occurring = [column for column in columns if truth[:, column].any()]
        assert group.occurring == len(occurring)
        each = [f1_score(truth[:, column], predicted[:, column]) for column in occurring]
        assert group.macro_f1 == pytest.approx(np.mean(each))
        assert group.interval.low == pytest.approx(group.macro_f1 - 0.095)
        assert group.support == truth[:, columns].sum()


def test_without_training_rows_the_judged_ones_are_counted_and_absent_labels_have_no_figure(tables):
    truth, predicted = tables
    truth[:, 4:] = False
    counts = Counts.of(truth, predicted)
    found = label_groups(counts, np.zeros((3, 8)), None)
    assert found.by == "judged"
    assert sum(group.labels for group in found.groups) == 8
    absent = label_groups(counts, np.zeros((3, 8)), [9, 0, 0, 0, 9, 9, 9, 9]).groups[0]
    assert (absent.labels, absent.occurring) == (5, 1)
    nowhere = label_groups(Counts.of(truth[:, 4:], predicted[:, 4:]), np.zeros((3, 4)), [1, 1, 1, 1])
    assert (nowhere.groups[0].macro_f1, nowhere.groups[0].interval) == (None, None)
