"""The head fitted alone on the frozen encoder's states, before anything else learns: a linear probe.

Under a random head the first updates pull the encoder about before they teach it anything. From a fitted head they go
on from what the encoder already knows. Kumar et al. 2022, https://arxiv.org/abs/2202.10054.

Shapes: B texts, W windows of texts, D width of what the output layer reads, C labels.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fenlei.model.build import output_layer
from fenlei.model.classifier import EncoderClassifier, join_windows
from fenlei.model.losses import Loss
from fenlei.model.precast import for_prediction
from fenlei.runtime import Runtime
from fenlei.text.batches import WindowsOfBatch, scoring_batches
from fenlei.text.tokens import TokenTable
from fenlei.train.journal import Journal

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# scikit-learn's C for states of mean squared length 1, weakest penalty last. Which is best hangs on the rows a label.
_STRENGTHS = (0.4, 1.2, 4.0, 12.0, 40.0, 120.0)
_FOLDS = 5
_ENOUGH_JUDGED = 1000
_MOST_STEPS = 200

# More rows hardly move the head that training starts from. The table of logits is made some hundreds of times.
_MOST_ROWS = 20_000
_MOST_CELLS = 5_000_000


@dataclass(frozen=True)
class Probe:
    """How a head was fitted.

    Attributes:
        rows: texts that it was fitted on.
        strength: the inverse of its penalty: scikit-learn's C for states of mean squared length 1.
        loss: the mean loss of those rows.
        texts_per_second: of the encoder, reading them.
    """

    rows: int
    strength: float
    loss: float
    texts_per_second: float


def fit_head(
    classifier: EncoderClassifier,
    table: TokenTable,
    truth: "csr_array",
    *,
    loss: Loss,
    score: Callable[[NDArray[np.float32], NDArray[np.uint8]], float],
    seed: int,
    runtime: Runtime,
    journal: Journal,
) -> Probe:
    """Fit the output layer in place to the states that the encoder gives as it is, by the loss of the training.

    The penalty is the one under which rows left out are judged best.

    Args:
        classifier: on the runtime's device; in evaluation mode afterwards.
        table: the tokens of the training rows.
        truth: (rows, C) of them, sparse.
        loss: (B, C) logits and truth -> (B,).
        score: (B, C) logits and truth -> how good they are; higher is better.
        seed: of the draw of rows where there are very many, and of the folds.
        runtime: where to compute.
        journal: told what happens.
    """
    most = min(_MOST_ROWS, max(_MOST_CELLS // classifier.num_labels, 1))
    rows = np.random.default_rng(seed).permutation(len(table))[:most]
    journal.begin("probe", len(rows))
    given = _head_inputs(classifier, table, rows, runtime, journal.advance)
    speed = journal.end()
    known = torch.from_numpy(truth[rows].toarray()).to(runtime.device)
    centre = given.states.mean(0)
    length = (given.states - centre).square().sum(1).mean().sqrt().clamp(min=1e-6)
    states = _States((given.states - centre) / length, given.windows)
    strength = _best_strength(states, known, loss, score)
    weight, bias = _fitted(states, known, loss, strength)
    fitted_loss = float(loss(states.logits(weight, bias), known).mean())
    _, layer = output_layer(classifier.network, classifier.num_labels)
    with torch.no_grad():
        layer.weight.copy_(weight / length)
        layer.bias.copy_(bias - (weight / length) @ centre)
    return Probe(len(rows), strength, fitted_loss, speed)


@dataclass(frozen=True)
class _States:
    """What the output layer reads of B texts.

    Attributes:
        states: (W, D) float32, the windows of the first text, then those of the next.
        windows: whose they are; None: each is a text.
    """

    states: Tensor
    windows: WindowsOfBatch | None

    def logits(self, weight: Tensor, bias: Tensor) -> Tensor:
        """(B, C) by a (C, D) weight and a (C,) bias."""
        return join_windows(torch.nn.functional.linear(self.states, weight, bias), self.windows)

    def of(self, texts: NDArray[np.bool_]) -> "_States":
        """The same of some texts."""
        if self.windows is None:
            return _States(self.states[torch.from_numpy(texts)], None)
        counts = self.windows.counts
        states = self.states[torch.from_numpy(np.repeat(texts, counts))]
        return _States(states, _in_order(counts[texts], self.windows))


def _in_order(counts: NDArray[np.int64], like: WindowsOfBatch) -> WindowsOfBatch:
    return WindowsOfBatch(np.arange(counts.sum()), counts, like.join)


@torch.no_grad()
def _head_inputs(
    classifier: EncoderClassifier,
    table: TokenTable,
    rows: NDArray[np.int64],
    runtime: Runtime,
    advance: Callable[[int], None],
) -> _States:
    """What the output layer reads of `rows`, in their order."""
    ready = for_prediction(classifier, runtime)
    _, layer = output_layer(ready.network, ready.num_labels)
    read: list[Tensor] = []
    listening = layer.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].flatten(0, -2).float()))
    pieces: dict[int, Tensor] = {}
    windows = None
    try:
        with runtime.autocast():
            for batch in scoring_batches(table, max_tokens=4096, rows=rows):
                ready(batch)
                states, counts = read.pop(), np.ones(len(batch), np.int64)
                if batch.windows is not None:
                    windows = batch.windows
                    states, counts = states[torch.from_numpy(windows.places).to(states.device)], windows.counts
                pieces |= zip(batch.rows.tolist(), torch.split(states, counts.tolist()), strict=True)
                advance(len(batch))
    finally:
        listening.remove()
    ordered = [pieces[row] for row in rows.tolist()]
    if windows is not None:
        windows = _in_order(np.array([len(piece) for piece in ordered]), windows)
    return _States(torch.cat(ordered), windows)


def _best_strength(
    states: _States, truth: Tensor, loss: Loss, score: Callable[[NDArray[np.float32], NDArray[np.uint8]], float]
) -> float:
    """The strength whose heads judge best on rows that they have not seen; of equal ones the one of the lower loss."""
    texts = len(truth)
    if texts < 2 * _FOLDS:
        return _STRENGTHS[0]
    folds = np.arange(texts) % _FOLDS  # the rows come in random order
    tried = range(min(_FOLDS, math.ceil(_ENOUGH_JUDGED * _FOLDS / texts)))
    judged = np.isin(folds, tried)
    ranks = []
    start: dict[int, tuple[Tensor, Tensor]] = {}
    for strength in _STRENGTHS:
        logits = torch.zeros_like(truth, dtype=torch.float32)
        for fold in tried:
            out = folds == fold
            # Each strength goes on from the head of the one before.
            start[fold] = _fitted(states.of(~out), truth[~out], loss, strength, start.get(fold))
            logits[out] = states.of(out).logits(*start[fold])
        seen, right = logits[judged], truth[judged]
        ranks.append((score(seen.numpy(force=True), right.numpy(force=True)), -float(loss(seen, right).mean())))
    return _STRENGTHS[max(range(len(ranks)), key=ranks.__getitem__)]


def _fitted(
    states: _States, truth: Tensor, loss: Loss, strength: float, start: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """(C, D) weight and (C,) bias of the least penalised mean loss.

    The bias is penalised too, which keeps that of a label without rows finite.
    """
    width = states.states.shape[1]
    # One tensor of weights and biases.
    head = states.states.new_zeros(truth.shape[1], width + 1)
    if start is not None:
        head.copy_(torch.cat([start[0], start[1][:, None]], 1))
    head.requires_grad_(True)
    search = torch.optim.LBFGS([head], max_iter=_MOST_STEPS, tolerance_change=1e-6, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        search.zero_grad()
        logits = states.logits(head[:, :width], head[:, width])
        value = loss(logits, truth).mean() + head.square().sum() / (2 * strength * len(truth))
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        search.step(objective)  # type: ignore[no-untyped-call]
    head = head.detach()
    return head[:, :width], head[:, width]
