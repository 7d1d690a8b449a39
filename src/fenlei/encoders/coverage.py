"""How much of the user's own text a vocabulary knows: the quickest sign that it belongs to another model."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fenlei.encoders.tokenizer import EncoderTokenizer

TOLERATED_SHARE = 0.03
"""Rare characters and emoji reach about a hundredth; beyond this the encoder misses what texts say."""

# Texts tokenized at once; the encodings of all of a large table would not fit.
_BLOCK = 4096


@dataclass(frozen=True)
class Coverage:
    """Characters of texts against a vocabulary; white space does not count.

    Attributes:
        characters: characters of the texts.
        unknown: those within a word or sign that became the unknown token.
        examples: the commonest unknown words or signs with their numbers, most first.
    """

    characters: int
    unknown: int
    examples: tuple[tuple[str, int], ...]

    @property
    def unknown_share(self) -> float:
        """The share of characters that the encoder cannot tell apart, in [0, 1]."""
        return self.unknown / self.characters if self.characters else 0.0

    def warning(self) -> str | None:
        """What to tell the user; None where the share is tolerable."""
        if self.unknown_share <= TOLERATED_SHARE:
            return None
        shown = ", ".join(f"{text!r} ({count:,})" for text, count in self.examples)
        return (
            f"{self.unknown_share:.1%} of the characters are unknown to the encoder's vocabulary, "
            f"such as {shown}; the vocabulary may belong to another model or language"
        )


def measure_coverage(tokenizer: EncoderTokenizer, texts: Sequence[str]) -> Coverage:
    """Tokenize `texts` and count what became the unknown token.

    A tokenizer without an unknown token knows everything.
    """
    unknown_id = tokenizer.tokenizer.token_to_id(tokenizer.special_tokens.get("unk_token", ""))
    examples: Counter[str] = Counter()
    for begin in range(0, len(texts), _BLOCK):
        block = list(texts[begin : begin + _BLOCK])
        encodings = tokenizer.tokenizer.encode_batch(block, add_special_tokens=False)
        for text, encoding in zip(block, encodings, strict=True):
            for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
                if token == unknown_id:
                    examples[text[start:end]] += 1
    unknown = sum(len(text) * count for text, count in examples.items())
    characters = sum(not character.isspace() for text in texts for character in text)
    return Coverage(characters, unknown, tuple(examples.most_common(5)))
