"""Parts with alike shares of every label, where a row may have several: iterative stratification.

Sechidis, Tsoumakas and Vlahavas 2011, On the Stratification of Multi-Label Data (ECML PKDD). The library
iterative-stratification has it for dense tables and counts all of the table anew for each label: 100,000 rows of 10,000
labels would take hours and gigabytes. This takes time by the number of ones, and makes the same draws: the tests hold
both against each other.

Shapes: B rows, C labels, P parts.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def stratify(truth: "csr_array", shares: NDArray[np.float64], random: np.random.RandomState) -> NDArray[np.int64]:
    """(B,) the part of each row.

    The label with the fewest rows left is handed out first, each of its rows to the part that lacks that label most, of
    several to the one that lacks rows most, and of several again by chance.

    Args:
        truth: (B, C), sparse, of ones; every row has one at least.
        shares: (P,) of the rows, together 1.
        random: draws where nothing else decides.
    """
    rows_of = truth.tocsc()
    rows_of.sort_indices()
    left = np.diff(rows_of.indptr).astype(np.int64)
    wanted, wanted_of = shares * truth.shape[0], np.outer(shares, left)
    parts, waits = np.zeros(truth.shape[0], dtype=np.int64), np.ones(truth.shape[0], dtype=bool)

    def one_of(places: NDArray[np.int64]) -> int:
        return int(places[random.choice(len(places))] if len(places) > 1 else places[0])

    while left.any():
        label = one_of(np.flatnonzero(left == left[left > 0].min()))
        rows = rows_of.indices[rows_of.indptr[label] : rows_of.indptr[label + 1]]
        for row in rows[waits[rows]]:
            lacking = np.flatnonzero(wanted_of[:, label] == wanted_of[:, label].max())
            part = one_of(lacking[wanted[lacking] == wanted[lacking].max()])
            own = truth.indices[truth.indptr[row] : truth.indptr[row + 1]]
            parts[row], waits[row] = part, False
            wanted[part] -= 1
            wanted_of[part, own] -= 1
            left[own] -= 1
    return parts
