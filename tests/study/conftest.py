"""What the tests of studies share: rows that a tiny encoder can learn, and a journal that dies."""

import numpy as np
import pytest

from fenlei import Example, Journal, open_runtime

LABELS = ["体育", "财经", "健康"]
WORDS = {"财经": "股票涨跌银行", "体育": "球队比赛决赛", "健康": "新药临床医院"}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads are the process's: what another module left behind would sum in another order, to the last bit."""
    open_runtime(device="cpu", precision="float32", threads=1)


@pytest.fixture(scope="session")
def make_rows():
    def make(count, seed, most=2):
        random = np.random.default_rng(seed)
        made = []
        for number in range(count):
            labels = random.choice(LABELS, size=random.integers(1, most + 1), replace=False)
            letters = [letter for label in labels for letter in random.choice(list(WORDS[label]), 3)]
            text = "".join(random.permutation([*letters, *"今天的消息"])) + f"{seed}x{number}"
            made.append(Example(str(number), text, tuple(map(str, labels))))
        return made

    return make


class Killed(BaseException):
    """What `kill -9` is to a process."""


class DeadlyJournal(Journal):
    """Ends the process after so many texts of training or scoring."""

    def __init__(self, texts):
        super().__init__()
        self.left = texts

    def advance(self, texts, *, resumed=False):
        super().advance(texts, resumed=resumed)
        self.left -= 0 if resumed else texts
        if self.left < 0:
            raise Killed


@pytest.fixture(scope="session")
def kill_after():
    return DeadlyJournal, Killed
