"""Texts -> token ids, once, with the encoder's own fast tokenizer.

Shapes: B texts, T tokens of one text.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fenlei.errors import EncoderError, SettingsError
from fenlei.text.example import PAIR, readable_text
from fenlei.text.normalize import Normalization, aligned, normalize
from fenlei.text.windows import WindowJoin, Windows, window_ranges

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Truncation = Literal["head", "head+tail", "windows"]


@dataclass(frozen=True, kw_only=True)
class TextSettings:
    """How a text becomes tokens; settled in training, saved in the bundle.

    Attributes:
        max_tokens: the most tokens a text may have, special tokens included.
        truncation: which tokens of a longer text stay: `head` the first ones; `head+tail` the first
            quarter and the last three quarters of the room, since news and reports often
            conclude at the end (Sun et al. 2019, https://arxiv.org/abs/1905.05583, section 5.3.1, keep 128 + 382);
            `windows` all of them, in overlapping windows that the encoder reads one by one; of a pair the second
            text is cut so, and the first stands in each window.
        normalize: the form that a text is brought into first, as in `fenlei.text.normalize`.
        window_overlap: the share of a full window that the next one repeats.
        window_join: how the logits of the windows become one.
        max_windows: the most windows a text may have; the rest is cut.

    Raises:
        SettingsError: an unknown truncation, form or way to join, or no such windows; all that is wrong together.
    """

    max_tokens: int
    truncation: Truncation = "head"
    normalize: Normalization = "none"
    window_overlap: float = 0.25
    window_join: WindowJoin = "max"
    max_windows: int = 8

    def __post_init__(self) -> None:
        wrong = []
        if type(self.max_tokens) is not int or self.max_tokens < 1:
            wrong.append(f"--max-tokens is {self.max_tokens!r}; it must be a number of tokens, 1 or more")
        for name, known in (("truncation", Truncation), ("normalize", Normalization), ("window_join", WindowJoin)):
            if (value := getattr(self, name)) not in get_args(known):
                wrong.append(f"--{name.replace('_', '-')} is {value!r}; accepted are {', '.join(get_args(known))}")
        if not 0 <= self.window_overlap < 1:
            wrong.append(f"--window-overlap is {self.window_overlap}; it is a share, from 0 to below 1")
        if self.max_windows < 1:
            wrong.append(f"--max-windows is {self.max_windows}; it must be 1 or more")
        if wrong:
            raise SettingsError("\n".join(wrong))


@dataclass(frozen=True)
class TokenTable:
    """The token ids of many texts, end to end.

    Attributes:
        ids: (sum of T,) int32, special tokens included.
        offsets: (B + 1,) int64; text i is `ids[offsets[i]:offsets[i + 1]]`, its windows end to end if it has several.
        full_lengths: (B,) int32, the lengths before truncation, special tokens included.
        seconds: (B,) int32, where the second text of a pair begins, from which on its tokens have type 1; 0: it is
            no pair. None: there are no pairs, or the tokenizer gives both texts of a pair type 0.
        windows: where they lie; None: every text is one window.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    full_lengths: NDArray[np.int32]
    seconds: NDArray[np.int32] | None = None
    windows: Windows | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(B,) tokens that the encoder reads of each text."""
        return np.diff(self.offsets)

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        """(T,) the ids of one text."""
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    @property
    def cut(self) -> NDArray[np.bool_]:
        """(B,) whether truncation shortened the text."""
        return self._kept() < self.full_lengths

    def share_of_texts_cut(self) -> float:
        """The share of texts that truncation shortened."""
        return float(self.cut.mean()) if len(self) else 0.0

    def share_of_tokens_cut(self) -> float:
        """The share of all tokens that truncation removed."""
        total = int(self.full_lengths.sum())
        return 1 - int(self._kept().sum()) / total if total else 0.0

    def _kept(self) -> NDArray[np.int64]:
        """(B,) tokens of each text that were not cut."""
        return self.lengths if self.windows is None else self.lengths - self.windows.repeated


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
        self._room = settings.max_tokens - len(self._prefix) - len(self._suffix)
        if self._room < 1:
            raise SettingsError(
                f"--max-tokens is {settings.max_tokens}; with {settings.max_tokens - self._room} special tokens "
                "it must leave room for at least one token of text"
            )
        self._settings = settings

    def encode(self, texts: Sequence[str]) -> TokenTable:
        """Normalize and tokenize `texts`, cut each to the limit or into windows, and add the special tokens.

        Of a pair the first text gets half of the room, or what the second leaves; the second is cut.

        Raises:
            EncoderError: there are pairs, and the tokenizer has no template for them.
        """
        laid: list[NDArray[np.int32]] = []
        full_lengths = np.empty(len(texts), dtype=np.int32)
        seconds = np.zeros(len(texts), dtype=np.int32)
        firsts, repeated = np.zeros(len(texts) + 1, dtype=np.int64), np.zeros(len(texts), dtype=np.int64)
        # Blocks keep the memory of the Encoding objects small beside that of the ids.
        for start in range(0, len(texts), 4096):
            block = [normalize(text, self._settings.normalize).split(PAIR, 1) for text in texts[start : start + 4096]]
            encodings = iter(
                self._tokenizer.encode_batch_fast([part for parts in block for part in parts], add_special_tokens=False)
            )
            for row, parts in enumerate(block, start=start):
                ids = [next(encodings).ids for _ in parts]
                before, room, after, seconds[row] = self._frame(ids)
                pieces = self._pieces(ids[-1], room)
                laid += [np.array([*before, *piece, *after], dtype=np.int32) for piece in pieces]
                firsts[row + 1] = len(laid)
                repeated[row] = (len(pieces) - 1) * (len(before) + len(after) + self._overlap(room))
                special = self._pairs.special_tokens if len(ids) > 1 else len(before) + len(after)
                full_lengths[row] = sum(map(len, ids)) + special
        offsets = np.zeros(len(laid) + 1, dtype=np.int64)
        np.cumsum([len(piece) for piece in laid], out=offsets[1:])
        joined = np.concatenate(laid) if laid else np.empty(0, dtype=np.int32)
        windows = Windows(offsets, firsts, repeated, self._settings.window_join) if len(laid) > len(texts) else None
        return TokenTable(joined, offsets[firsts], full_lengths, seconds if seconds.any() else None, windows)

    def whole_text(self, text: str) -> str:
        """All of `text`, normalized, for readers without a limit; the two texts of a pair on a line each."""
        return readable_text(normalize(text, self._settings.normalize))

    def window_spans(self, text: str) -> list[tuple[int, int]]:
        """The first character, and one past the last, of each window into which a text is cut.

        They are counted in the text as given, before any normalization; of a pair in the second text, since the
        first stands in every window.
        """
        parts = text.split(PAIR, 1)
        normalized, origins = aligned(parts[-1], self._settings.normalize)
        first = [normalize(part, self._settings.normalize) for part in parts[:-1]]
        offsets = self._offsets(normalized)
        lengths = [len(self._tokenizer.encode(part, add_special_tokens=False).ids) for part in first]
        room = self._rooms([*lengths, len(offsets)])[-1]
        if len(offsets) <= room:
            return [(0, len(parts[-1]))]
        spans = [(offsets[begin][0], offsets[end - 1][1]) for begin, end in self._ranges(len(offsets), room)]
        return [(origins[begin][0], origins[end - 1][1]) for begin, end in spans]

    def _offsets(self, text: str) -> list[tuple[int, int]]:
        """Where each token begins and ends in the text."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        lead = next((place for place, sign in enumerate(text) if unicodedata.category(sign) != "Cc"), 0)
        # Behind control characters that sentencepiece drops, tokenizers 0.23 counts from the first that it keeps.
        if lead and (bare := self._tokenizer.encode(text[lead:], add_special_tokens=False)).ids == encoding.ids:
            return [(begin + lead, end + lead) for begin, end in bare.offsets]
        return list(encoding.offsets)

    @cached_property
    def _pairs(self) -> "_PairTemplate":
        return _PairTemplate.of(self._tokenizer, self._settings.max_tokens)

    def _rooms(self, lengths: list[int]) -> list[int]:
        """How many tokens of a text, or of each text of a pair, one window holds."""
        return [self._room] if len(lengths) == 1 else self._pairs.rooms(*lengths)

    def _frame(self, ids: list[list[int]]) -> tuple[list[int], int, list[int], int]:
        """What stands before a window of the last text, its room, what stands after, and where type 1 begins."""
        if len(ids) == 1:
            return self._prefix, self._room, self._suffix, 0
        pairs = self._pairs
        first_room, room = pairs.rooms(*map(len, ids))
        before = [*pairs.prefix, *ids[0][:first_room], *pairs.between]
        return before, room, pairs.suffix, len(before) if pairs.typed else 0

    def _overlap(self, room: int) -> int:
        return int(self._settings.window_overlap * room)

    def _ranges(self, tokens: int, room: int) -> list[tuple[int, int]]:
        return window_ranges(tokens, room, self._overlap(room), self._settings.max_windows)

    def _pieces(self, ids: list[int], room: int) -> list[list[int]]:
        """What is kept of a text: its windows, or one piece."""
        if len(ids) <= room:
            return [ids]
        if self._settings.truncation == "windows":
            return [ids[begin:end] for begin, end in self._ranges(len(ids), room)]
        head = _head(room, self._settings.truncation)
        tail = room - head
        return [ids[:head] + (ids[-tail:] if tail else [])]


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
    return max(1, room // 4) if truncation == "head+tail" else room


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
