from dataclasses import replace

import numpy as np
import pytest

from fenlei.clean.evidence import Evidence, evidence_of_folds
from fenlei.clean.suspects import _disagreements, find_suspects
from fenlei.errors import DataError
from fenlei.text.duplicates import find_duplicates
from fenlei.text.example import Example
from fenlei.text.labels import LabelSet


def silent(rows, labels, task="multilabel"):
    """Evidence that contradicts nothing."""
    names = LabelSet(labels)
    truth = names.encode(rows, task)
    everything = np.ones(truth.shape, dtype=bool)
    return Evidence(names, task, truth * 0.98 + 0.01, everything, np.zeros(len(rows), dtype=bool), "nobody")


def test_broken_labels_are_found_named_and_ranked(multilabel_rows):
    rows, broken = list(multilabel_rows), {}
    for row in range(0, len(rows), 12):
        labels = rows[row].labels
        changed = (
            labels[1:]
            if len(labels) == 2
            else (*labels, next(one for one in ("体育", "健康", "财经") if one not in labels))
        )
        broken[rows[row].id] = (labels, changed)
        rows[row] = replace(rows[row], labels=changed)
    found = find_suspects(rows, evidence_of_folds(rows, "multilabel", folds=4, seed=0))
    hits = [suspect for suspect in found.suspects if suspect.id in broken]
    assert len(hits) >= 7
    assert found.found <= 12
    for suspect in hits:
        true, given = broken[suspect.id]
        assert suspect.labels == given
        if len(given) < len(true):
            assert (suspect.kinds, suspect.wrong, suspect.suggested) == (("missing_label",), (), true[:1])
        else:
            assert (suspect.kinds, suspect.wrong, suspect.suggested) == (("wrong_label",), given[1:], ())
    assert {kind for suspect in hits for kind in suspect.kinds} == {"wrong_label", "missing_label"}
    assert [suspect.rank for suspect in found.suspects] == list(range(1, found.found + 1))
    scores = [suspect.score for suspect in found.suspects]
    assert scores == sorted(scores)
    for kind in ("wrong_label", "missing_label"):
        assert found.kinds[kind] == sum(kind in suspect.kinds for suspect in found.suspects)


def test_a_class_taken_for_another_is_one_error(multiclass_rows):
    rows = [replace(multiclass_rows[0], labels=("新",)), *multiclass_rows[1:]]
    wrong = next(row for row, example in enumerate(rows) if example.labels == ("体育",))
    rows[wrong] = replace(rows[wrong], labels=("财经",))
    found = find_suspects(rows, evidence_of_folds(rows, "multiclass", folds=4, seed=0))
    first = found.suspects[0]
    assert (first.id, first.kinds, first.wrong, first.suggested) == (
        rows[wrong].id,
        ("wrong_label",),
        ("财经",),
        ("体育",),
    )
    # A class of one row is not judged, since no other fold can teach it.
    assert found.unlearned == 1
    assert rows[0].id not in [suspect.id for suspect in found.suspects]
    assert "1 row has a label that no row of another fold has" in found.to_text()


LONG = "昨日股票大涨银行利率下调市场消息面普遍认为行情还会继续一段时间"


def test_equal_texts_with_different_labels_come_first_and_similar_ones_last():
    rows = [
        Example("a", LONG, ("财经",)),
        Example("b", "球队今天赢得了比赛的冠军", ("财经",)),
        Example("c", LONG + "了", ("体育",)),
        Example("d", "医院引进新药", ("健康",)),
        Example("e", "医院 引进新药", ("财经",)),
        Example("f", "疫苗接种在各个社区展开", ("健康",)),
        Example("g", "医院引进新药", ("健康",)),
        *(Example(f"h{number}", f"球队比赛冠军第{number}场", ("体育",)) for number in range(3)),
        *(Example(f"i{number}", f"股票银行利率第{number}天", ("财经",)) for number in range(3)),
    ]
    rows[4] = replace(rows[4], text="医院引进新药 ")
    evidence = silent(rows, ("体育", "健康", "财经"))
    evidence.scores[1] = (0.995, 0.01, 0.001)
    found = find_suspects(rows, evidence)
    assert [suspect.id for suspect in found.suspects[:4]] == ["d", "e", "g", "b"]
    assert [suspect.id for suspect in found.suspects[4:]] == ["a", "c"]
    first, second = found.suspects[:2]
    assert first.kinds == ("same_text",)
    assert first.others == (("e", ("财经",)),)
    assert second.others == (("d", ("健康",)), ("g", ("健康",)))
    assert found.suspects[4].kinds == ("similar_text",)
    assert found.suspects[4].others == (("c", ("体育",)),)
    assert found.kinds == {"same_text": 3, "wrong_label": 1, "missing_label": 1, "similar_text": 2}
    assert "wrong_label+missing_label" in found.to_text()
    without = find_suspects(rows, evidence, near=False)
    assert [suspect.id for suspect in without.suspects] == ["d", "e", "g", "b"]
    assert "near duplicates were not searched" in without.to_text()
    assert without.to_dict()["near_duplicates_searched"] is False


def test_of_equal_texts_those_come_first_whose_labels_are_least_believable():
    texts = ("医院引进新药", "球队赢得比赛", "股票大涨")
    rows = [Example(f"{text[0]}{label}", text, (label,)) for text in texts for label in ("体育", "健康")]
    evidence = silent(rows, ("体育", "健康"))
    evidence.scores[2] = (0.02, 0.9)
    evidence.scores[5] = (0.3, 0.4)
    order = [suspect.id for suspect in find_suspects(rows, evidence).suspects]
    assert order == ["球体育", "球健康", "股体育", "股健康", "医体育", "医健康"]


def test_copies_of_a_near_duplicate_disagree_too():
    rows = [
        Example("a", LONG, ("财经",)),
        Example("b", LONG, ("财经",)),
        Example("c", LONG + "了", ("体育",)),
    ]
    found = find_suspects(rows, silent(rows, ("体育", "财经")))
    assert {suspect.id: [id for id, _ in suspect.others] for suspect in found.suspects} == {
        "a": ["c"],
        "b": ["c"],
        "c": ["a", "b"],
    }


def test_many_copies_name_the_first_of_the_others():
    rows = [Example(str(number), "好评，下次还来", ("甲" if number % 2 else "乙",)) for number in range(300)]
    same, similar = _disagreements(rows, find_duplicates([row.text for row in rows]))
    assert sorted(same) == list(range(300))
    assert same[0] == list(range(1, 41, 2))
    assert same[299] == list(range(0, 40, 2))
    assert not similar


def test_a_template_is_no_near_duplicate():
    """60 forms that differ in their number: more than a cluster of copies has."""
    rows = [Example(str(number), f"{LONG}{number:02}", (("财经", "体育")[number % 2],)) for number in range(60)]
    assert find_suspects(rows, silent(rows, ("体育", "财经"))).suspects == ()


def test_the_list_is_cut_and_says_so(multilabel_rows):
    broken = [replace(row, labels=("健康",)) for row in multilabel_rows[:20]] + multilabel_rows[20:]
    evidence = evidence_of_folds(broken, "multilabel", folds=4, seed=0)
    whole, cut = find_suspects(broken, evidence), find_suspects(broken, evidence, most=3)
    assert cut.suspects == whole.suspects[:3]
    assert cut.found == whole.found > 3
    assert cut.kinds == whole.kinds
    assert cut.to_dict()["listed"] == 3


def test_seen_rows_are_compared_by_text_only(multiclass_rows):
    rows = [*multiclass_rows[:10], replace(multiclass_rows[0], id="again", labels=("新",))]
    evidence = silent(rows, ("体育", "健康", "新", "财经"), "multiclass")
    evidence.seen[:], evidence.known[:] = True, False
    found = find_suspects(rows, evidence)
    assert [(suspect.id, suspect.score) for suspect in found.suspects] == [("r000", None), ("again", None)]
    assert (found.seen, found.unlearned) == (11, 0)
    assert "11 rows made the classifier: it cannot judge them" in found.to_text()


def test_recurring_exchanges_are_summed_up(multiclass_rows):
    sports = [row for row, example in enumerate(multiclass_rows) if example.labels == ("体育",)][:3]
    rows = [
        replace(example, labels=("财经",)) if row in sports else example for row, example in enumerate(multiclass_rows)
    ]
    found = find_suspects(rows, evidence_of_folds(rows, "multiclass", folds=4, seed=0))
    assert found.exchanges()[0] == ("财经", "体育", 3)
    assert found.to_dict()["exchanges"][0] == ["财经", "体育", 3]


def test_a_label_that_the_bundle_does_not_know_is_an_error():
    rows = [Example("a", "股票", ("财金",))]
    with pytest.raises(DataError, match="the label '财金' is not among the 2 labels .* nearest known one is '财经'"):
        find_suspects(rows, silent([], ("体育", "财经")))
