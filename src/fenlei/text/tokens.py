"""Texts -> token ids, once, with the encoder's own fast tokenizer.

Shapes: B texts, T tokens of one text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import EncoderError, SettingsError
from fenlei.text.example import PAIR
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
        seconds: (B,) int32, where the second text of a pair begins, from which on its tokens have type 1; 0: it is
            no pair. None: there are no pairs, or the tokenizer gives both texts of a pair type 0.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    full_lengths: NDArray[np.int32]
    seconds: NDArray[np.int32] | None = None

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
        self._truncation = settings.truncation
        self._max_tokens = settings.max_tokens

    def encode(self, texts: Sequence[str]) -> TokenTable:
        """Normalize and tokenize `texts`, cut each to the limit, and add the special tokens.

        Of a pair the first text gets half of the room, or what the second leaves; the second is cut.

        Raises:
            EncoderError: there are pairs, and the tokenizer has no template for them.
        """
        laid: list[NDArray[np.int32]] = []
        full_lengths = np.empty(len(texts), dtype=np.int32)
        seconds = np.zeros(len(texts), dtype=np.int32)
        # Blocks keep the memory of the Encoding objects small beside that of the ids.
        for start in range(0, len(texts), 4096):
            block = [normalize(text, self._normalize).split(PAIR, 1) for text in texts[start : start + 4096]]
            encodings = iter(
                self._tokenizer.encode_batch_fast([part for parts in block for part in parts], add_special_tokens=False)
            )
            for row, parts in enumerate(block, start=start):
                ids = [next(encodings).ids for _ in parts]
                if len(ids) == 1:
                    around = len(self._prefix) + len(self._suffix)
                    pieces = [self._prefix, _cut(ids[0], self._room, self._truncation), self._suffix]
                else:
                    around = self._pairs.special_tokens
                    pieces, seconds[row] = self._laid_out_pair(*ids)
                full_lengths[row] = sum(map(len, ids)) + around
                laid.append(np.array([token for piece in pieces for token in piece], dtype=np.int32))
        offsets = np.zeros(len(texts) + 1, dtype=np.int64)
        np.cumsum([len(piece) for piece in laid], out=offsets[1:])
        joined = np.concatenate(laid) if laid else np.empty(0, dtype=np.int32)
        return TokenTable(joined, offsets, full_lengths, seconds if seconds.any() else None)

    def kept_text(self, text: str) -> str:
        """The part of `text` that the encoder sees, normalized, for other readers of it.

        The two parts of `head+tail` stand end to end, the two texts of a pair on a line each.
        """
        parts = normalize(text, self._normalize).split(PAIR, 1)
        encodings = [self._tokenizer.encode(part, add_special_tokens=False) for part in parts]
        rooms = [self._room] if len(parts) == 1 else self._pairs.rooms(*(len(one.ids) for one in encodings))
        ways: list[Truncation] = [self._truncation] if len(parts) == 1 else ["head", self._truncation]
        kept = []
        for part, encoding, room, truncation in zip(parts, encodings, rooms, ways, strict=True):
            if len(encoding.ids) > room:
                head = _head(room, truncation)
                tail = room - head
                part = part[: encoding.offsets[head - 1][1]] + (part[encoding.offsets[-tail][0] :] if tail else "")
            kept.append(part)
        return "\n".join(kept)

    @cached_property
    def _pairs(self) -> "_PairTemplate":
        return _PairTemplate.of(self._tokenizer, self._max_tokens)

    def _laid_out_pair(self, first: list[int], second: list[int]) -> tuple[list[list[int]], int]:
        """The pieces of a pair with its special tokens, and where type 1 begins; 0: nowhere."""
        pairs = self._pairs
        rooms = pairs.rooms(len(first), len(second))
        first, second = first[: rooms[0]], _cut(second, rooms[1], self._truncation)
        begins = len(pairs.prefix) + len(first) + len(pairs.between)
        return [pairs.prefix, first, pairs.between, second, pairs.suffix], begins if pairs.typed else 0


@dataclass(frozen=True)
class _PairTemplate:
    """The special tokens around a pair, the room they leave, and whether the second text has type 1."""

    prefix: list[int]
    between: list[int]
    suffix: list[int]
    room: int
    typed: bool

    @classmethod
    def of(cls, tokenizer: "Tokenizer", max_tokens: int) -> "_PairTemplate":
        bare = tokenizer.encode("中文", add_special_tokens=False).ids
        full = tokenizer.encode("中文", "中文", add_special_tokens=True)
        starts = [start for start in range(len(full.ids)) if full.ids[start : start + len(bare)] == bare]
        if len(starts) != 2 or starts[0] == 0:
            raise EncoderError(
                f"the tokenizer has no template for pairs of texts (it made {full.ids} of {bare} twice)",
                hint="join the two columns instead: leave out --pair",
            )
        first, second = starts
        between = full.ids[first + len(bare) : second]
        suffix = full.ids[second + len(bare) :]
        room = max_tokens - first - len(between) - len(suffix)
        if room < 2:
            raise SettingsError(f"--max-tokens is {max_tokens}; a pair of texts needs {max_tokens - room + 2} or more")
        return cls(full.ids[:first], between, suffix, room, full.type_ids[second] == 1)

    @property
    def special_tokens(self) -> int:
        return len(self.prefix) + len(self.between) + len(self.suffix)

    def rooms(self, first: int, second: int) -> list[int]:
        """How many tokens of each text stay."""
        kept = min(first, max(self.room // 2, self.room - second))
        return [kept, self.room - kept]


def _head(room: int, truncation: Truncation) -> int:
    return room if truncation == "head" else max(1, room // 4)


def _cut(ids: list[int], room: int, truncation: Truncation) -> list[int]:
    if len(ids) <= room:
        return ids
    head = _head(room, truncation)
    tail = room - head
    return ids[:head] + (ids[-tail:] if tail else [])


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
