"""Which epochs are kept and which are averaged, where they are equally good."""

import torch

from fenlei.train.averaging import greedy_mean, mean_of_weights
from fenlei.train.checkpoint import KeptEpoch, Progress
from fenlei.train.dev_judge import DevScore, Judged


def test_of_equal_epochs_the_earlier_stands_first():
    progress = Progress()
    for number, score in enumerate([0.5, 0.7, 0.7, 0.6], 1):
        progress.keep_best(KeptEpoch(number, [score, -1.0], {}, torch.zeros(1, 1)), 3)
    assert [kept.epoch for kept in progress.best] == [2, 3, 4]


def test_a_mean_that_is_as_good_takes_another_in_and_a_worse_one_does_not():
    networks = [{"w": torch.tensor([value])} for value in (1.0, 3.0, 9.0, 2.0)]

    def judge(weights):
        return Judged(weights["w"].numpy(), 0.0, DevScore(float(weights["w"] <= 2), "small", False))

    places, judged = greedy_mean(networks, judge, [1.0, -0.0])
    assert places == [0, 1, 3]
    assert judged.logits == 2
    assert greedy_mean(networks[:1], judge, [1.0, -0.0]) == ([0], None)
    assert mean_of_weights([networks[0], networks[1]])["w"] == 2
