"""The head fitted alone on the frozen encoder's states, before anything else learns: a linear probe.

Under a random head the first updates pull the encoder about before they teach it anything. From a fitted head they go
on from what the encoder already knows. Kumar et al. 2022, https://arxiv.org/abs/2202.10054.

Shapes: B texts, W windows of texts, D width of what the output layer reads, C labels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fenlei.encoders.packing import on_device
from fenlei.journal import Journal
from fenlei.model.build import output_layer
from fenlei.model.classifier import EncoderClassifier, join_windows, tokens_at_once
from fenlei.model.losses import Loss
from fenlei.model.precast import for_prediction
from fenlei.runtime import Runtime
from fenlei.text.batches import WindowsOfBatch, scoring_batches
from fenlei.text.tokens import TokenTable

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# scikit-learn's C for states of mean squared length 1. A weaker penalty is a little better on many rows a label, but
# leaves training no loss to learn from, and the encoder then learns less: LOG.md.
_STRENGTH = 4.0
_MOST_STEPS = 200

# More rows hardly move the head that training starts from. The table of logits is made some hundreds of times.
_MOST_ROWS = 20_000
_MOST_CELLS = 5_000_000


@dataclass(frozen=True)
class Probe:
    """What the fit of a head shows.

    Attributes:
        loss: the mean loss of the rows that it was fitted on.
        texts_per_second: of the encoder, reading them.
    """

    loss: float
    texts_per_second: float


def fit_head(
    classifier: EncoderClassifier,
    table: TokenTable,
    truth: "csr_array",
    *,
    loss: Loss,
    seed: int,
    runtime: Runtime,
    journal: Journal,
) -> Probe:
    """Fit the output layer in place to the states that the encoder gives as it is, by the loss of the training.

    Args:
        classifier: on the runtime's device; in evaluation mode afterwards.
        table: the tokens of the training rows.
        truth: (rows, C) of them, sparse.
        loss: (B, C) logits and truth -> (B,).
        seed: of the draw of rows where there are very many.
        runtime: where to compute.
        journal: told what happens.
    """
    most = min(_MOST_ROWS, max(_MOST_CELLS // classifier.num_labels, 1))
    rows = np.random.default_rng(seed).permutation(len(table))[:most]
    journal.begin("probe", len(rows))
    states, windows = _head_inputs(classifier, table, rows, runtime, journal.advance)
    speed = journal.end()
    centre = states.mean(0)
    length = (states - centre).square().sum(1).mean().sqrt().clamp(min=1e-6)
    known = on_device(truth[rows].toarray(), runtime.torch_device())
    weight, bias, mean_loss = _fitted((states - centre) / length, windows, known, loss)
    _, layer = output_layer(classifier.network, classifier.num_labels)
    with torch.no_grad():
        layer.weight.copy_(weight / length)
        layer.bias.copy_(bias - (weight / length) @ centre)
    return Probe(mean_loss, speed)


@torch.no_grad()
def _head_inputs(
    classifier: EncoderClassifier,
    table: TokenTable,
    rows: NDArray[np.int64],
    runtime: Runtime,
    advance: Callable[[int], None],
) -> tuple[Tensor, WindowsOfBatch | None]:
    """(W, D) float32 that the output layer reads of the windows of `rows`, in their order, and whose they are."""
    ready = for_prediction(classifier, runtime)
    _, layer = output_layer(ready.network, ready.num_labels)
    read: list[Tensor] = []
    listening = layer.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].flatten(0, -2).float()))
    pieces: dict[int, Tensor] = {}
    windows = None
    try:
        with runtime.autocast(), runtime.within_memory():
            for batch in scoring_batches(table, max_tokens=tokens_at_once(runtime), rows=rows):
                ready(batch)
                states, counts = read.pop(), np.ones(len(batch), np.int64)
                if batch.windows is not None:
                    windows = batch.windows
                    states, counts = states[on_device(windows.places, states.device)], windows.counts
                pieces |= zip(batch.rows.tolist(), torch.split(states, counts.tolist()), strict=True)
                advance(len(batch))
    finally:
        listening.remove()
    ordered = [pieces[row] for row in rows.tolist()]
    if windows is not None:
        counts = np.array([len(piece) for piece in ordered])
        windows = WindowsOfBatch(np.arange(counts.sum()), counts, windows.join)
    return torch.cat(ordered), windows


def _fitted(states: Tensor, windows: WindowsOfBatch | None, truth: Tensor, loss: Loss) -> tuple[Tensor, Tensor, float]:
    """(C, D) weight and (C,) bias of the least penalised mean loss, and that loss without its penalty.

    The bias is penalised too, which keeps that of a label without rows finite.
    """
    width = states.shape[1]
    head = states.new_zeros(truth.shape[1], width + 1, requires_grad=True)  # the bias stands last
    search = torch.optim.LBFGS([head], max_iter=_MOST_STEPS, tolerance_change=1e-6, line_search_fn="strong_wolfe")

    def mean_loss() -> Tensor:
        logits = torch.nn.functional.linear(states, head[:, :width], head[:, width])
        return loss(join_windows(logits, windows), truth).mean()

    def objective() -> Tensor:
        search.zero_grad()
        value = mean_loss() + head.square().sum() / (2 * _STRENGTH * len(truth))
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        search.step(objective)  # type: ignore[no-untyped-call]
    head.requires_grad_(False)
    return head[:, :width], head[:, width], float(mean_loss())
