"""Texts -> token ids, once, with the encoder's own fast tokenizer.

Shapes: B texts, T tokens of one text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import EncoderError, SettingsError
from fenlei.text.normalize import Normalization, normalize

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Truncation = Literal["head", "head+tail"]


@dataclass(frozen=True, kw_only=True)
class TextSettings:
    """How a text becomes tokens; settled in training, saved in the bundle.

    Attributes:
        max_tokens: the most tokens a text may have, special tokens included.
        truncation: which tokens of a longer text stay: `head` the first ones; `head+tail` the first
            quarter and the last three quarters of the room, since news and reports often
            conclude at the end (Sun et al. 2019, https://arxiv.org/abs/1905.05583, section 5.3.1, keep 128 + 382).
        normalize: the form that a text is brought into first, as in `fenlei.text.normalize`.

    Raises:
        SettingsError: an unknown truncation or form.
    """

    max_tokens: int
    truncation: Truncation = "head"
    normalize: Normalization = "none"

    def __post_init__(self) -> None:
        if self.truncation not in get_args(Truncation):
            accepted = ", ".join(get_args(Truncation))
            raise SettingsError(f"--truncation is {self.truncation!r}; accepted are {accepted}")
        if self.normalize not in get_args(Normalization):
            accepted = ", ".join(get_args(Normalization))
            raise SettingsError(f"--normalize is {self.normalize!r}; accepted are {accepted}")


@dataclass(frozen=True)
class TokenTable:
    """The token ids of many texts, end to end.

    Attributes:
        ids: (sum of T,) int32, special tokens included.
        offsets: (B + 1,) int64; text i is `ids[offsets[i]:offsets[i + 1]]`.
        full_lengths: (B,) int32, the lengths before truncation, special tokens included.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    full_lengths: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(B,) tokens of each text as kept."""
        return np.diff(self.offsets)

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        """(T,) the ids of one text."""
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def share_of_texts_cut(self) -> float:
        """The share of texts that truncation shortened."""
        return float((self.lengths < self.full_lengths).mean()) if len(self) else 0.0

    def share_of_tokens_cut(self) -> float:
        """The share of all tokens that truncation removed."""
        total = int(self.full_lengths.sum())
        return 1 - len(self.ids) / total if total else 0.0


class TextEncoder:
    """A fast tokenizer with a length limit.

    Args:
        tokenizer: the tokenizer of the `tokenizers` library, its post-processor included.
        settings: length limit, truncation, and the form of the texts.

    Raises:
        SettingsError: there is no room for a single token of text.
        EncoderError: the tokenizer puts no special token before the text, which the head reads.
    """

    def __init__(self, tokenizer: "Tokenizer", settings: TextSettings) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._prefix, self._suffix = _special_tokens_around(tokenizer)
        self._normalize = settings.normalize
        self._room = settings.max_tokens - len(self._prefix) - len(self._suffix)
        if self._room < 1:
            raise SettingsError(
                f"--max-tokens is {settings.max_tokens}; with {settings.max_tokens - self._room} special tokens "
                "it must leave room for at least one token of text"
            )
        self._head = self._room if settings.truncation == "head" else max(1, self._room // 4)

    def encode(self, texts: Sequence[str]) -> TokenTable:
        """Normalize and tokenize `texts`, cut each to the limit, and add the special tokens."""
        pieces: list[NDArray[np.int32]] = []
        full_lengths = np.empty(len(texts), dtype=np.int32)
        around = len(self._prefix) + len(self._suffix)
        # Blocks keep the memory of the Encoding objects small beside that of the ids.
        for start in range(0, len(texts), 4096):
            block = [normalize(text, self._normalize) for text in texts[start : start + 4096]]
            encodings = self._tokenizer.encode_batch_fast(block, add_special_tokens=False)
            for row, encoding in enumerate(encodings, start=start):
                ids = encoding.ids
                full_lengths[row] = len(ids) + around
                if len(ids) > self._room:
                    tail = self._room - self._head
                    ids = ids[: self._head] + (ids[-tail:] if tail else [])
                pieces.append(np.array([*self._prefix, *ids, *self._suffix], dtype=np.int32))
        offsets = np.zeros(len(texts) + 1, dtype=np.int64)
        np.cumsum([len(piece) for piece in pieces], out=offsets[1:])
        joined = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int32)
        return TokenTable(joined, offsets, full_lengths)

    def kept_text(self, text: str) -> str:
        """The part of `text` that the encoder sees, normalized; with `head+tail` the two parts end to end."""
        text = normalize(text, self._normalize)
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        if len(encoding.ids) <= self._room:
            return text
        tail = self._room - self._head
        kept = text[: encoding.offsets[self._head - 1][1]]
        return kept + text[encoding.offsets[-tail][0] :] if tail else kept


def _special_tokens_around(tokenizer: "Tokenizer") -> tuple[list[int], list[int]]:
    """The ids that the tokenizer's template puts before and after a text."""
    bare = tokenizer.encode("中文", add_special_tokens=False).ids
    full = tokenizer.encode("中文", add_special_tokens=True).ids
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare and start > 0:
            return full[:start], full[start + len(bare) :]
    raise EncoderError(
        f"the tokenizer puts no special token before a text (it made {full} of {bare}); "
        "fenlei reads a text's meaning from the state of its first token, such as [CLS]",
        hint="use a tokenizer whose post-processor adds [CLS] and [SEP], or <s> and </s>",
    )
