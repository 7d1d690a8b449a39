"""A packed batch -> logits: a transformers classifier whose encoder runs packed where that is proved right.

Shapes: B texts, W windows of texts, T tokens of a window, N tokens of a packed row, D hidden width, C labels.
A text within the length limit is one window, and W is B where no text is longer.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fenlei.encoders.activation import use_fast_gelu
from fenlei.encoders.attention import use_packed_attention
from fenlei.encoders.dropout import use_fast_dropout
from fenlei.encoders.packing import Packing, on_device
from fenlei.encoders.projection import join_projections
from fenlei.errors import SettingsError
from fenlei.model.mean_pooled import MeanPooledNetwork, mean_of_texts
from fenlei.model.pooling import Pooling
from fenlei.runtime import Runtime
from fenlei.text.batches import PackedBatch, WindowsOfBatch, scoring_batches
from fenlei.text.tokens import TokenTable

# Float32 sums in another order differ by about 1e-6; texts that see each other differ by 0.01 and more.
_PROOF_TOLERANCE = 1e-4


def _pooled_head(network: Any, first: Tensor) -> Tensor:
    """BERT and ERNIE: dense and tanh over the first token, then the classifier."""
    return network.classifier(network.dropout(network.base_model.pooler(first)))  # type: ignore[no-any-return]


def _albert_head(network: Any, first: Tensor) -> Tensor:
    """ALBERT keeps the pooler's parts beside each other."""
    albert = network.base_model
    pooled = albert.pooler_activation(albert.pooler(first[:, 0]))
    return network.classifier(network.dropout(pooled))  # type: ignore[no-any-return]


def _sequence_head(network: Any, first: Tensor) -> Tensor:
    """ELECTRA and RoBERTa: the head takes the whole sequence and reads its first token."""
    return network.classifier(first)  # type: ignore[no-any-return]


# Model types whose head can be run on first-token states (B, 1, D) alone.
_HEADS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "albert": _albert_head,
    "bert": _pooled_head,
    "electra": _sequence_head,
    "ernie": _pooled_head,
    "roberta": _sequence_head,
    "xlm-roberta": _sequence_head,
}


class EncoderClassifier(nn.Module):
    """A transformers classifier that takes packed batches.

    Args:
        network: an `AutoModelForSequenceClassification` or a `MeanPooledNetwork`, float32.

    Attributes:
        network: the same.
        padded_because: None if texts run packed; otherwise why they are padded instead.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self._pad_id = int(network.config.pad_token_id or 0)
        # RoBERTa counts positions from padding_idx + 1.
        has_offset = network.config.model_type in ("roberta", "xlm-roberta")
        self._first_position = self._pad_id + 1 if has_offset else 0
        self.padded_because: str | None = None
        self.padded_because = self._why_not_packed()
        if self.padded_because:  # otherwise the proof has left it packed
            network.set_attn_implementation("sdpa")
        use_fast_dropout(network)
        use_fast_gelu(network)

    def recompute_layers(self) -> None:
        """From now on keep only the input of each layer for the backward pass and run the layer again there.

        The gradients are the same to the bit, dropout included.

        Raises:
            SettingsError: transformers does not offer it for this encoder.
        """
        encoder = self.network.base_model
        if not encoder.supports_gradient_checkpointing:
            raise SettingsError(f"--gradient-checkpointing: transformers has none for {type(encoder).__name__}")
        encoder.activation_checkpointing_enable()
        # It also asks for the gradient of the embeddings' output, which nobody needs and frozen layers would pay for.
        encoder.disable_input_require_grads()

    @property
    def num_labels(self) -> int:
        """C."""
        return int(self.network.config.num_labels)

    @property
    def max_tokens(self) -> int | None:
        """The longest window the position table allows, special tokens included; None: no such table."""
        positions = getattr(self.network.config, "max_position_embeddings", None)
        return None if positions is None else int(positions) - self._first_position

    @property
    def pooling(self) -> Pooling:
        """How the states of a text become one vector."""
        return "mean" if isinstance(self.network, MeanPooledNetwork) else "first"

    def forward(self, batch: PackedBatch) -> Tensor:
        """(B, C) float32 logits, in the order of `batch.rows`."""
        return self.sampled(batch, 1)[0]

    def weights(self) -> Iterator[NDArray[Any]]:
        """All of them, in the order of the state dict."""
        return (weight.numpy(force=True) for weight in self.state_dict().values())

    def sampled(self, batch: PackedBatch, samples: int) -> Tensor:
        """(S, B, C) float32 logits: the head runs S times on the same states, in training under other dropout.

        Multi-sample dropout: Inoue 2019, https://arxiv.org/abs/1905.09788. Where texts run padded, the whole network
        is run as often.
        """
        return torch.stack([join_windows(logits, batch.windows) for logits in self.of_windows(batch, samples)])

    def of_windows(self, batch: PackedBatch, samples: int = 1) -> list[Tensor]:
        """S times (W, C) float32 logits: the windows of the first row as they are read, then of the next."""
        if self.padded_because:
            found = [self._padded(batch) for _ in range(samples)]
        else:
            pooled, head = self._pooled(batch)
            # The head is a sliver of the work and decides close calls: float32.
            with torch.autocast(self.network.device.type, enabled=False):
                found = [head(pooled).view(len(batch.lengths), -1) for _ in range(samples)]
        if batch.windows is None:
            return found
        places = on_device(batch.windows.places, self.network.device)
        return [logits[places] for logits in found]

    def _pooled(self, batch: PackedBatch) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """The float32 states that the head reads, and the head: (W, D) on means, (W, 1, D) on first tokens."""
        device = self.network.device
        packing = Packing.of(batch.lengths, device)
        # Any token will do for the spare ones.
        ids = np.append(batch.ids, np.repeat(batch.ids[:1], packing.spare))
        hidden = self.network.base_model(
            input_ids=on_device(ids, device)[None],
            position_ids=packing.position_ids + self._first_position,
            packing=packing,
            **self._types(batch, lambda types: np.append(types, np.zeros(packing.spare, np.int64))[None]),
        )[0]
        if self.pooling == "mean":
            means = mean_of_texts(hidden[0, : len(batch.ids)].float(), on_device(batch.lengths, device))
            return means, self.network.head
        first = hidden[0, packing.first_tokens][:, None].float()
        return first, partial(_HEADS[self.network.config.model_type], self.network)

    def _padded(self, batch: PackedBatch) -> Tensor:
        device = self.network.device
        longest = int(batch.lengths.max())
        mask = np.arange(longest)[None, :] < batch.lengths[:, None]

        def padded(tokens: NDArray[np.int64], padding: int = 0) -> NDArray[np.int64]:
            block = np.full(mask.shape, padding)
            block[mask] = tokens
            return block

        inputs = {"input_ids": padded(batch.ids, self._pad_id), "attention_mask": mask.astype(np.int64)}
        on_it = {name: on_device(block, device) for name, block in inputs.items()}
        logits: Tensor = self.network(**on_it, **self._types(batch, padded)).logits
        return logits.float()

    def _types(
        self, batch: PackedBatch, laid_out: Callable[[NDArray[np.int64]], NDArray[np.int64]]
    ) -> dict[str, Tensor]:
        """The keyword for token types, where the batch has pairs and the network knows types."""
        if batch.types is None or getattr(self.network.config, "type_vocab_size", 0) < 2:
            return {}
        return {"token_type_ids": on_device(laid_out(batch.types), self.network.device)}

    @torch.no_grad()
    def _why_not_packed(self) -> str | None:
        """Run two texts packed and each alone; None if the logits agree, otherwise what is wrong.

        Before they are run packed the network's projections are joined, since that is what will run.

        Some classes accept the boundaries and drop them, so that texts would silently attend to each other.
        """
        model_type = self.network.config.model_type
        if self.pooling == "first" and model_type not in _HEADS:
            return f"fenlei has no packed head for the model type {model_type!r}"
        was_training = self.network.training
        self.network.eval()
        ids = np.random.default_rng(0).integers(0, self.network.config.vocab_size - 1, size=15)
        ids += ids >= self._pad_id  # RoBERTa's own positions skip padding tokens
        lengths = np.array([6, 9])  # one spare token
        texts = [PackedBatch(part, np.array([len(part)]), np.zeros(1, int)) for part in (ids[:6], ids[6:])]
        try:
            self.network.set_attn_implementation("sdpa")
            alone = torch.cat([self._padded(text) for text in texts])
            join_projections(self.network)
            use_packed_attention(self.network)
            together = self(PackedBatch(ids, lengths, np.arange(2)))
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            return f"{type(self.network).__name__} does not run packed ({error})"
        finally:
            self.network.train(was_training)
        difference = float((alone - together).abs().max())
        if difference > _PROOF_TOLERANCE:
            name = type(self.network).__name__
            return f"packed logits of {name} differ by {difference:.2g} from those of each text alone"
        return None


def join_windows(logits: Tensor, windows: WindowsOfBatch | None) -> Tensor:
    """(W, C) logits of windows, in the order of texts -> (B, C), through which the gradient flows back.

    The mean of logits is the geometric mean of the windows' probabilities. The highest logit, label by label, compares
    windows with each other, which a softmax of one window alone would not fix; it is fixed by learning through it.
    """
    if windows is None:
        return logits
    counts = on_device(windows.counts, logits.device)
    return torch.segment_reduce(logits, windows.join, lengths=counts, unsafe=True)


def tokens_at_once(runtime: Runtime) -> int:
    """Tokens of a packed batch that only predicts: a core's cache holds few, a GPU is busy with many alone."""
    return 4096 if runtime.torch_device().type == "cpu" else 1 << 15


def predict_logits(
    classifier: EncoderClassifier,
    table: TokenTable,
    runtime: Runtime,
    *,
    max_tokens: int | None = None,
    advance: Callable[[int], None] = lambda texts: None,
) -> NDArray[np.float32]:
    """(B, C) logits of every text in the order of `table`, in evaluation mode, which is left as it was.

    Args:
        classifier: on the runtime's device.
        table: the texts' tokens.
        runtime: gives device and precision.
        max_tokens: the most tokens of one packed batch; None: what suits the device.
        advance: called with the number of texts done, for progress.
    """
    return predict_windows(classifier, table, runtime, max_tokens=max_tokens, advance=advance)[0]


def predict_windows(
    classifier: EncoderClassifier,
    table: TokenTable,
    runtime: Runtime,
    *,
    max_tokens: int | None = None,
    advance: Callable[[int], None] = lambda texts: None,
) -> tuple[NDArray[np.float32], NDArray[np.int32] | None]:
    """As `predict_logits`, and beside the logits for each the window, from 0, in which that label has the highest one.

    Returns:
        (B, C) logits and (B, C) windows; None where every text is one window.
    """
    was_training = classifier.training
    if was_training:  # walking through all modules takes as long as a tenth of a short text
        classifier.eval()
    logits = np.empty((len(table), classifier.num_labels), dtype=np.float32)
    highest = None if table.windows is None else np.zeros(logits.shape, dtype=np.int32)
    try:
        with torch.inference_mode(), runtime.autocast(), runtime.within_memory():
            for batch in scoring_batches(table, max_tokens=max_tokens or tokens_at_once(runtime)):
                [of_windows] = classifier.of_windows(batch)
                logits[batch.rows] = join_windows(of_windows, batch.windows).cpu().numpy()
                if highest is not None and batch.windows is not None:
                    each = torch.split(of_windows, batch.windows.counts.tolist())
                    highest[batch.rows] = torch.stack([of_text.argmax(0) for of_text in each]).cpu().numpy()
                advance(len(batch))
    finally:
        if was_training:
            classifier.train()
    return logits, highest
