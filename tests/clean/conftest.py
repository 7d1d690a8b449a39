"""Rows of two topics whose labels a linear model learns, and the list made of them."""

import numpy as np
import pytest

from fenlei.text.example import Example

WORDS = {"财经": ["股票", "银行", "利率"], "体育": ["球队", "比赛", "冠军"], "健康": ["新药", "医院", "疫苗"]}


def rows_of(count, seed=0, most=2):
    """`count` rows with 1 to `most` labels, their words telling which."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        chosen = random.choice(list(WORDS), size=random.integers(1, most + 1), replace=False)
        labels = sorted(chosen.tolist())
        words = [word for label in labels for word in random.choice(WORDS[label], 3)]
        text = "".join(random.permutation([*words, "今天的消息", f"{number:04}"]))
        rows.append(Example(f"r{number:03}", text, tuple(labels)))
    return rows


@pytest.fixture
def multilabel_rows():
    return rows_of(120)


@pytest.fixture
def multiclass_rows():
    return rows_of(90, most=1)
