import itertools

import numpy as np
import pytest

from fenlei.errors import SettingsError
from fenlei.judge.certainty import certainty
from fenlei.judge.rules import Rules, exclusive_by_name, parents_by_name

NO = -0.4


def test_at_least_one_gives_the_nearest_label():
    margins = np.array([[-0.3, -0.1, -0.2], [0.1, -0.1, 0.2]])
    assert Rules(at_least_one=True).apply(margins).tolist() == [[False, True, False], [True, False, True]]


def test_at_most_keeps_those_furthest_above():
    margins = np.array([[0.3, 0.1, 0.2, -0.1], [-0.1, 0.1, -0.2, -0.1]])
    assert Rules(at_most=2).apply(margins).tolist() == [[True, False, True, False], [False, True, False, False]]
    assert Rules(at_most=9).apply(margins).tolist() == (margins >= 0).tolist()


def test_parents_come_with_their_children():
    labels = ["财经", "财经/股票", "财经/股票/港股", "体育/足球", "财经/债券"]
    parents = parents_by_name(labels)
    assert parents == ((1, 0), (2, 1), (4, 0))
    rules = Rules(parents=parents)
    assert rules.apply(np.array([[NO, NO, 0.1, NO, NO]])).tolist() == [[True, True, True, False, False]]
    # A parent may stand alone.
    assert rules.apply(np.array([[0.1, NO, NO, NO, NO]])).tolist() == [[True, False, False, False, False]]
    # With two places the child has to wait: its parents come first.
    crowded = Rules(parents=parents, at_most=2).apply(np.array([[NO, NO, 0.1, NO, NO]]))
    assert crowded.tolist() == [[True, True, False, False, False]]
    forced = Rules(parents=parents, at_least_one=True).apply(np.array([[NO, NO, -0.1, NO, NO]]))
    assert forced.tolist() == [[True, True, True, False, False]]


def test_a_missing_level_is_skipped():
    assert parents_by_name(["A", "A/B/C", "B/C"]) == ((1, 0),)
    assert parents_by_name(["A##B##C", "A##B", "A", "A#B"]) == ((0, 1), (1, 2))


def test_of_exclusive_labels_one_stays_and_the_others_take_their_children_along():
    rules = Rules(exclusive=((0, 1),), parents=((2, 1),))
    assert rules.apply(np.array([[0.1, 0.2, NO]])).tolist() == [[False, True, False]]
    # The child lifts its parent, which then wins.
    assert rules.apply(np.array([[0.1, NO, 0.3]])).tolist() == [[False, True, True]]
    # The child loses with its parent.
    assert rules.apply(np.array([[0.4, NO, 0.3]])).tolist() == [[True, False, False]]
    assert rules.apply(np.array([[NO, NO, NO]])).tolist() == [[False, False, False]]


@pytest.mark.parametrize("seed", range(20))
def test_every_rule_holds_at_once_on_random_margins(seed):
    rng = np.random.default_rng(seed)
    margins = rng.normal(size=(40, 7))
    rules = Rules(at_least_one=True, at_most=3, parents=((1, 0), (2, 1), (5, 4)), exclusive=((1, 4), (3, 6)))
    chosen = rules.apply(margins)
    assert (chosen.sum(axis=1) >= 1).all()
    assert (chosen.sum(axis=1) <= 3).all()
    for child, parent in rules.parents:
        assert (chosen[:, parent] >= chosen[:, child]).all()
    for first, second in rules.exclusive:
        assert not (chosen[:, first] & chosen[:, second]).any()
    # One row alone is answered as among others, and rows that break no rule are left alone.
    assert (np.concatenate([rules.apply(margins[[row]]) for row in range(40)]) == chosen).all()
    free = margins >= 0
    lawful = (
        (free.sum(axis=1) >= 1)
        & (free.sum(axis=1) <= 3)
        & np.all([free[:, p] >= free[:, c] for c, p in rules.parents], axis=0)
        & ~np.any([free[:, a] & free[:, b] for a, b in rules.exclusive], axis=0)
    )
    assert lawful.any()
    assert (chosen[lawful] == free[lawful]).all()


def test_without_rules_the_thresholds_decide():
    margins = np.array(list(itertools.product([-0.1, 0.0, 0.1], repeat=3)))
    assert not Rules().any
    assert (Rules().apply(margins) == (margins >= 0)).all()


def test_rules_that_cannot_be_are_refused():
    with pytest.raises(SettingsError, match="at most 0 labels"):
        Rules(at_most=0)
    for group in ((1, 1), (1,), (0, 0, 1)):
        with pytest.raises(SettingsError, match="at least two, and each stands once"):
            Rules(exclusive=(group,))
    with pytest.raises(SettingsError, match="its own ancestor"):
        Rules(parents=((0, 1), (1, 0)))
    with pytest.raises(SettingsError, match="a label and its own parent cannot exclude each other"):
        Rules(parents=((1, 0), (2, 1)), exclusive=((2, 0),))
    labels = ["利好", "利空", "中性"]
    assert exclusive_by_name(["利好|利空", "利空 | 中性"], labels) == ((0, 1), (1, 2))
    assert exclusive_by_name(["none"], labels) == ()
    assert exclusive_by_name(['["A|1", "B"]', "B|3"], ["3", "A|1", "B"]) == ((1, 2), (2, 0))
    with pytest.raises(SettingsError, match=r"'\[1, 2\]' is not a label"):
        exclusive_by_name(["[1, 2]"], ["3", "A|1", "B"])
    with pytest.raises(SettingsError, match=r"--exclusive '利好\|利多': '利多' is not a label; the nearest is"):
        exclusive_by_name(["利好|利多"], labels)


TREE = ((1, 0), (2, 1), (4, 3))


@pytest.mark.parametrize(
    "rules",
    [
        Rules(),
        Rules(at_most=1),
        Rules(at_least_one=True),
        Rules(at_most=2, at_least_one=True),
        Rules(at_most=1, at_least_one=True),
        Rules(exclusive=((0, 1, 2),), at_least_one=True),
        Rules(exclusive=((0, 1), (2, 3))),
        Rules(parents=TREE),
        Rules(parents=TREE, at_most=2),
        Rules(parents=TREE, at_least_one=True),
        Rules(parents=TREE, at_most=1, at_least_one=True),
        Rules(parents=TREE, at_most=2, at_least_one=True),
        Rules(parents=TREE, exclusive=((0, 3),), at_least_one=True),
        Rules(parents=TREE, exclusive=((1, 4),)),
    ],
    ids=str,
)
def test_certainty_is_the_least_change_of_one_margin_that_changes_the_labels(rules):
    margins = np.random.default_rng(0).uniform(-1, 1, (60, 5))
    np.testing.assert_allclose(certainty(rules, margins), least_change(rules, margins), atol=0.01)


@pytest.mark.parametrize(
    "rules",
    [Rules(exclusive=((0, 1), (1, 2))), Rules(exclusive=((0, 3),), parents=TREE, at_most=2)],
    ids=str,
)
def test_certainty_is_never_more_than_that(rules):
    margins = np.random.default_rng(0).uniform(-1, 1, (60, 5))
    found, least = certainty(rules, margins), least_change(rules, margins)
    assert (found < least + 0.02).all()
    assert (found > least - 0.02).mean() > 0.9


def test_a_parent_and_the_child_that_lifts_it_do_not_compete():
    margins = np.full((1, 5), -0.9)
    margins[0, :2] = -0.4, 0.5
    assert certainty(Rules(parents=TREE, at_most=1), margins) == pytest.approx([0.5])


def least_change(rules, margins):
    """By trying all values of each margin on a grid of 0.01."""
    grid = np.linspace(-2, 2, 401)
    expected = np.full(len(margins), np.inf)
    for row, given in enumerate(rules.apply(margins)):
        for label in range(margins.shape[1]):
            tried = np.repeat(margins[row : row + 1], len(grid), axis=0)
            tried[:, label] = grid
            others = (rules.apply(tried) != given).any(axis=1)
            expected[row] = min([expected[row], *np.abs(grid[others] - margins[row, label])])
    return expected


def test_of_a_child_and_its_parent_that_it_lifts_the_parent_comes_first_wherever_they_stand():
    rules = Rules(parents=((0, 1), (1, 2)), at_most=2)
    assert rules.apply(np.array([[0.3, NO, NO]])).tolist() == [[False, True, True]]
    alone = Rules(parents=rules.parents, at_most=1)
    assert alone.apply(np.array([[0.3, NO, NO]])).tolist() == [[False, False, True]]
