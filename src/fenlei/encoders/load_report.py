"""The account that `fenlei convert` gives: what was recognised, by what, what was used and what left out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What a checkpoint was and what became of it.

    Attributes:
        source: the checkpoint read.
        out: the Hugging Face directory written.
        family: what it was recognised as.
        variant: what distinguishes it within the family.
        recognised_by: the evidence.
        config: the configuration written.
        config_file: where the settings were read; None where there was no file.
        notes: what was missing or wrong in the configuration, and what was taken instead.
        parameters: parameters written.
        used: variables (tensors) read.
        dropped: reason -> variables left out.
        added: parameters that the source does not have, with the reason.
        vocabulary: the tokenizer's file and number of tokens.
    """

    source: str
    out: str
    family: str
    variant: tuple[str, ...] = ()
    recognised_by: str
    config: Mapping[str, Any]
    config_file: str | None
    notes: tuple[str, ...] = ()
    parameters: int
    used: tuple[str, ...]
    dropped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    vocabulary: str

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The report as text, one fact a line."""
        config = self.config
        activation = {"gelu_new": "gelu by tanh (gelu_new)", "gelu": "gelu by erf (gelu)"}
        sizes = (
            ("num_hidden_layers", "{:,} layers"),
            ("hidden_size", "width {:,}"),
            ("num_attention_heads", "{:,} heads"),
            ("intermediate_size", "feed-forward {:,}"),
            ("vocab_size", "{:,} tokens"),
            ("embedding_size", "embeddings {:,}"),
            ("max_position_embeddings", "{:,} positions"),
            ("type_vocab_size", "{:,} token types"),
        )
        settings = (
            ("layer_norm_eps", "LayerNorm epsilon {:g}"),
            ("hidden_dropout_prob", "dropout {:g}"),
            ("attention_probs_dropout_prob", "attention dropout {:g}"),
        )
        act = config.get("hidden_act", "")
        facts = [
            ("source", self.source),
            ("recognised", ", ".join((self.family, *self.variant))),
            ("by", self.recognised_by),
            ("shapes", _told(config, sizes)),
            ("settings", ", ".join(filter(None, (activation.get(act, act), _told(config, settings))))),
            ("parameters", f"{self.parameters:,}"),
            ("used", f"{len(self.used):,} variables"),
            *(("dropped", f"{len(names):,} {reason}: {_few(names)}") for reason, names in self.dropped.items()),
            *(("added", line) for line in self.added),
            ("config", self.config_file or "no file"),
            *(("corrected", note) for note in self.notes),
            ("vocabulary", self.vocabulary),
            ("wrote", self.out),
        ]
        return [f"{name:<11} {fact}" for name, fact in facts]


def _few(names: tuple[str, ...]) -> str:
    return names[0] + (", …" if len(names) > 1 else "")


def _told(config: Mapping[str, Any], words: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(text.format(config[key]) for key, text in words if config.get(key) is not None)
