"""An encoder whose states are averaged over each text, and a linear layer on top.

No plain transformers class of BERT's kin pools so, though some encoders were pretrained for it; the encoder
of such a classifier is kept in a folder of its own, so that transformers cannot take it for a whole classifier.

Shapes: B texts, N tokens of a packed row, T tokens of the longest text, D hidden width, C labels.
"""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn


class MeanPooledNetwork(nn.Module):
    """Encoder, mean over the text with its special tokens, dropout, linear: with the surface of a transformers model.

    Args:
        encoder: a transformers model without a head; its pooler, if it has one, is taken away.
        num_labels: C.
    """

    base_model_prefix = "encoder"

    def __init__(self, encoder: Any, num_labels: int) -> None:
        super().__init__()
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None
        # ALBERT applies its pooler's activation whether or not there is a pooler.
        if getattr(encoder, "pooler_activation", None) is not None:
            encoder.pooler_activation = None
        self.encoder = encoder
        self.dropout = nn.Dropout(getattr(encoder.config, "hidden_dropout_prob", 0.1))
        self.classifier = nn.Linear(encoder.config.hidden_size, num_labels)

    @property
    def base_model(self) -> Any:
        """The encoder."""
        return self.encoder

    @property
    def config(self) -> Any:
        """The encoder's configuration, which also names the labels."""
        return self.encoder.config

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.classifier.weight.device

    def set_attn_implementation(self, name: str) -> None:
        """As transformers' own."""
        self.encoder.set_attn_implementation(name)

    def get_input_embeddings(self) -> nn.Module:
        """As transformers' own."""
        embeddings: nn.Module = self.encoder.get_input_embeddings()
        return embeddings

    def head(self, pooled: Tensor) -> Tensor:
        """(B, D) mean states -> (B, C) logits."""
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **inputs: Tensor) -> SimpleNamespace:
        """(B, T) padded ids and mask -> an answer with (B, C) `logits`, as transformers' own classes give it."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **inputs)[0].float()
        weights = attention_mask[:, :, None].to(states.dtype)
        return SimpleNamespace(logits=self.head((states * weights).sum(1) / weights.sum(1)))


def mean_of_texts(states: Tensor, lengths: Tensor) -> Tensor:
    """(N, D) states of texts laid end to end, their (B,) lengths -> (B, D) means."""
    return torch.segment_reduce(states, "mean", lengths=lengths, unsafe=True)
