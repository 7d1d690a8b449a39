"""Averages of weights: over the updates of a run, and over its best epochs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fenlei.train.dev_judge import Judged

Weights = dict[str, Tensor]


class MovingAverage:
    """An exponential moving average of a network's weights (Polyak and Juditsky 1992).

    Early in a run the average keeps only (1 + n) / (10 + n) after n updates, so that it does not hang on the start.

    Args:
        network: what is averaged.
        decay: the share that the average keeps in an update; 0: there is no average, and the network stands for it.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._network, self._decay = network, decay
        self.weights: Weights = _copied(network.state_dict()) if decay else {}

    def update(self, done: int) -> None:
        """Take in the weights after update number `done`, from 1."""
        if not self._decay:
            return
        share = 1 - min(self._decay, (1 + done) / (10 + done))
        present = self._network.state_dict()
        for name, average in self.weights.items():
            if average.is_floating_point():
                average.lerp_(present[name], share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The network has the average inside the block, and its own weights again, to the bit, after it."""
        if not self._decay:
            yield
            return
        own = _copied(self._network.state_dict())
        self._network.load_state_dict(self.weights)
        try:
            yield
        finally:
            self._network.load_state_dict(own)


def mean_of_weights(many: Sequence[Weights]) -> Weights:
    """The mean of several networks' weights; what is no floating point number is the first one's."""
    return {
        name: torch.stack([one[name] for one in many]).mean(0) if first.is_floating_point() else first
        for name, first in many[0].items()
    }


def greedy_mean(
    ranked: Sequence[Weights], judge: Callable[[Weights], Judged], best: list[float]
) -> tuple[list[int], Judged | None]:
    """Which of several networks, best first, are worth averaging: each stays if the rank gets no worse by it.

    The greedy soup of Wortsman et al. 2022 (ICML, https://arxiv.org/abs/2203.05482).

    Args:
        ranked: the weights, best first.
        judge: how good weights are.
        best: the rank of the first alone.

    Returns:
        Their places in `ranked`, of which the first is always there, and what was judged of their mean; None: it is
        the first alone.
    """
    chosen, accepted = [0], None
    for place in range(1, len(ranked)):
        judged = judge(mean_of_weights([ranked[i] for i in [*chosen, place]]))
        if judged.rank >= best:
            chosen, best, accepted = [*chosen, place], judged.rank, judged
    return chosen, accepted


def _copied(weights: Weights) -> Weights:
    return {name: weight.detach().clone() for name, weight in weights.items()}
