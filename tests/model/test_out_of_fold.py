import numpy as np
import pytest

from fenlei.errors import DataError, SettingsError
from fenlei.model import out_of_fold
from fenlei.model.linear import LinearModel
from fenlei.model.out_of_fold import out_of_fold_logits
from fenlei.text.example import Example
from fenlei.text.labels import LabelSet

WORDS = {"财经": ["股票", "银行", "利率"], "体育": ["球队", "比赛", "冠军"]}


def rows_of(count, seed=0):
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        label = ("财经", "体育")[number % 2]
        words = random.permutation([*random.choice(WORDS[label], 3), "今天", "消息", f"{number:04}"])
        rows.append(Example(str(number), "".join(words), (label,)))
    return rows


def test_each_row_is_scored_once_by_a_model_without_it_or_its_duplicates(monkeypatch):
    rows = rows_of(40)
    rows += [Example("copy", rows[0].text + "！", rows[0].labels)]
    fitted, scored = [], []

    class Recorded:
        def __init__(self, texts, truth):
            self.texts, self.labels = set(texts), truth.shape[1]

        @classmethod
        def fit(cls, texts, truth, task):
            fitted.append(cls(texts, truth))
            return fitted[-1]

        def logits(self, texts):
            assert not self.texts & set(texts)
            scored.extend(texts)
            if rows[0].text in texts:
                assert rows[-1].text in texts
            return np.zeros((len(texts), self.labels), dtype=np.float32)

    monkeypatch.setattr(out_of_fold, "LinearModel", Recorded)
    done = []
    out_of_fold_logits(
        rows, LabelSet(("体育", "财经")), "multiclass", folds=4, seed=1, advance=lambda number: done.append(number)
    )
    assert len(fitted) == 4
    assert sorted(scored) == sorted(row.text for row in rows)
    assert sum(done) == len(rows)


def test_the_logits_are_those_of_the_model_of_the_other_folds_in_row_order():
    rows, labels = rows_of(60), LabelSet(("体育", "财经"))
    logits, known = out_of_fold_logits(rows, labels, "multiclass", folds=3, seed=0)
    assert known.all()
    assert (logits.argmax(axis=1) == labels.encode(rows, "multiclass").argmax(axis=1)).all()
    all_rows = LinearModel.fit([row.text for row in rows], labels.encode(rows, "multiclass"), "multiclass")
    # A model that has seen a row is surer of it.
    own = labels.encode(rows, "multiclass") != 0
    assert logits[own].mean() < all_rows.logits([row.text for row in rows])[own].mean()
    again, _ = out_of_fold_logits(rows, labels, "multiclass", folds=3, seed=0)
    assert (logits == again).all()


def test_a_label_that_the_other_folds_lack_is_unknown_and_its_logit_is_bounded():
    rows = [*rows_of(30), Example("one", "医院里的新药今天的消息", ("健康",))]
    labels = LabelSet.from_examples(rows)
    logits, known = out_of_fold_logits(rows, labels, "multilabel", folds=3, seed=0)
    health = labels.names.index("健康")
    assert not known[-1, health]
    assert known[-1].sum() == 2
    assert np.abs(logits).max() < 10
    everyone = [Example(row.id, row.text, (*row.labels, "新闻")) for row in rows_of(30)]
    logits, known = out_of_fold_logits(everyone, LabelSet.from_examples(everyone), "multilabel", folds=3, seed=0)
    assert known.all(axis=0).tolist() == [True, False, True]
    assert not known[:, 1].any()
    assert np.abs(logits).max() < 10


def test_too_few_rows_or_folds_are_errors():
    with pytest.raises(DataError, match="cannot be split into 5 parts"):
        out_of_fold_logits(rows_of(4), LabelSet(("体育", "财经")), "multiclass", folds=5, seed=0)
    with pytest.raises(SettingsError, match="--folds is 1; it must be 2 or more"):
        out_of_fold_logits(rows_of(4), LabelSet(("体育", "财经")), "multiclass", folds=1, seed=0)
