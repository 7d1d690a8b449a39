"""Texts beyond the length limit as overlapping windows, each of which the encoder reads on its own.

Shapes: B texts, W windows.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WindowJoin = Literal["max", "mean"]
"""How the logits of a text's windows become one: label by label the highest, or the mean."""


@dataclass(frozen=True)
class Windows:
    """Where the windows of a token table lie; text after text, in the order of reading.

    Attributes:
        offsets: (W + 1,) int64; window w is `ids[offsets[w]:offsets[w + 1]]`.
        firsts: (B + 1,) int64; text i has the windows from `firsts[i]` to below `firsts[i + 1]`, at least one.
        repeated: (B,) int64, tokens that a text has only because it has windows: overlaps, special tokens and the
            first text of a pair, in each window after the first.
        join: how their logits become one.
    """

    offsets: NDArray[np.int64]
    firsts: NDArray[np.int64]
    repeated: NDArray[np.int64]
    join: WindowJoin

    @property
    def counts(self) -> NDArray[np.int64]:
        """(B,) windows of each text."""
        return np.diff(self.firsts)


def window_ranges(tokens: int, room: int, overlap: int, most: int) -> list[tuple[int, int]]:
    """Cut `tokens` tokens into windows of at most `room`, of which neighbours share exactly `overlap`.

    They are as few as can be and equally long but for one token, so that none is a scrap that counts as much as the
    others. Where more than `most` would be needed there are `most` full ones, and the rest is cut.

    Args:
        tokens: 1 or more.
        room: 1 or more.
        overlap: 0 or more, below `room`.
        most: 1 or more.

    Returns:
        Begin and end of each in the text.

    Example:
        >>> window_ranges(10, room=5, overlap=1, most=8)
        [(0, 4), (3, 7), (6, 10)]
    """
    tokens = min(tokens, room + (most - 1) * (room - overlap))
    count = max(1, -(-(tokens - overlap) // (room - overlap)))
    length, longer = divmod(tokens + (count - 1) * overlap, count)
    ranges: list[tuple[int, int]] = []
    for number in range(count):
        begin = ranges[-1][1] - overlap if ranges else 0
        ranges.append((begin, begin + length + (number < longer)))
    return ranges
