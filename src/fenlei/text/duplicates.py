"""Texts that say the same thing twice: exact and near duplicates, and the clusters they form.

Shapes: B texts.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fenlei.text.example import canonical_text

NEAR = 0.8
"""Jaccard similarity of the character 3-grams from which on two texts count as near duplicates."""

SEARCHED = 200_000
"""More rows than these are searched for near duplicates only when asked for: it takes minutes."""

_NGRAM = 3
_PERMUTATIONS = 128

# 16 bands of 8 rows find 97% of the pairs at 0.80 to 0.85 and all of 690 above; the library's own choice for 0.8
# (9 bands of 13) found 54% of the former. Candidates are verified, so more of them cost little time.
_BANDS = (16, 8)

# So many texts of a cluster can be found as candidates; otherwise ten thousand copies of one template would be compared
# each with each. More of them where none is nearly the same: then each may lead to others.
_INDEXED_OF_CLUSTER, _INDEXED_APART, _NEARLY_SAME = 32, 64, 0.95

# A cluster of more rows and more than this share of all is a template rather than a text that was copied.
_GIANT_ROWS, _GIANT_SHARE = 50, 0.02


@dataclass(frozen=True, eq=False)
class Duplicates:
    """Clusters of equal and nearly equal texts.

    Attributes:
        exact: (B,) int64; equal numbers for texts of equal `canonical_text`, the number of the first such row.
        near: (B,) int64; equal numbers for texts of one cluster, exact duplicates included.
        pairs: the verified near duplicates (row, earlier row, Jaccard similarity), without the exact ones.
        searched: whether near duplicates were looked for.
    """

    exact: NDArray[np.int64]
    near: NDArray[np.int64]
    pairs: tuple[tuple[int, int, float], ...]
    searched: bool = True

    def giants(self) -> list[NDArray[np.int64]]:
        """Rows of the clusters of different texts that are too large to be copies of one, largest first."""
        numbers, sizes = np.unique(self.near, return_counts=True)
        limit = max(_GIANT_ROWS, _GIANT_SHARE * len(self.near))
        order = numbers[sizes > limit][np.argsort(-sizes[sizes > limit], kind="stable")]
        clusters = [np.flatnonzero(self.near == number) for number in order]
        return [rows for rows in clusters if (self.exact[rows] != self.exact[rows[0]]).any()]

    def together(self) -> NDArray[np.int64]:
        """(B,) equal numbers for rows that must not part: the clusters, of giant ones the exact duplicates."""
        numbers = self.near.copy()
        for rows in self.giants():
            # Moved behind all other numbers, where they meet no cluster.
            numbers[rows] = len(numbers) + self.exact[rows]
        return numbers


def find_duplicates(texts: Sequence[str], *, near: bool | None = None) -> Duplicates:
    """The exact and near duplicates among B texts.

    Candidates come from MinHash signatures in a locality-sensitive index (Broder 1997; Leskovec et al.,
    Mining of Massive Datasets, chapter 3) and each is verified by the exact Jaccard similarity.

    Args:
        texts: as read; compared in their canonical form.
        near: whether near duplicates are looked for; None: among up to 200,000 texts.
    """
    first_row: dict[str, int] = {}
    canonical = [canonical_text(text) for text in texts]
    exact = np.array([first_row.setdefault(text, row) for row, text in enumerate(canonical)], dtype=np.int64)
    if not (len(texts) <= SEARCHED if near is None else near):
        return Duplicates(exact, exact, (), searched=False)
    pairs = tuple(_near_pairs(canonical, sorted(first_row.values())))
    links = [*enumerate(exact.tolist()), *((row, other) for row, other, _ in pairs)]
    return Duplicates(exact, connected(len(texts), links), pairs)


def ngrams_of(text: str) -> frozenset[str]:
    """The character 3-grams of a text in canonical form; of a shorter one, all of it."""
    return _ngrams(canonical_text(text))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """What two sets have in common, as a share of what either has; one at least is not empty."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def _near_pairs(texts: Sequence[str], rows: Sequence[int]) -> list[tuple[int, int, float]]:
    """The verified pairs among the `rows`, whose texts differ."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=_PERMUTATIONS, params=_BANDS)
    pairs: list[tuple[int, int, float]] = []
    ngrams: dict[int, frozenset[str]] = {}
    empty = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=zlib.crc32)
    for row in rows:
        own = _ngrams(texts[row])
        signature = empty.copy()  # drawing its permutations takes as long as all the rest
        signature.update_batch([gram.encode("utf-8", "surrogatepass") for gram in own])
        found = []
        for other in index.query(signature):
            likeness = jaccard(own, ngrams[other])
            if likeness >= NEAR:
                found.append((row, other, likeness))
        pairs += sorted(found, key=lambda pair: pair[1])
        # A text with many known neighbours adds little that those would not find.
        nearest = max((likeness for _, _, likeness in found), default=0.0)
        if len(found) < (_INDEXED_OF_CLUSTER if nearest >= _NEARLY_SAME else _INDEXED_APART):
            index.insert(row, signature, check_duplication=False)
            ngrams[row] = own
    return pairs


def _ngrams(text: str) -> frozenset[str]:
    return frozenset(text[start : start + _NGRAM] for start in range(max(1, len(text) - _NGRAM + 1)))


def connected(count: int, links: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """(count,) equal numbers for those of 0 … count - 1 that the `links` connect, also through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.array(links, dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(count, count))
    numbers: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return numbers
