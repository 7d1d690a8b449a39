"""Against the library that has it for dense tables: the same parts, draw for draw."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from iterstrat.ml_stratifiers import IterativeStratification
from scipy.sparse import csr_array

from fenlei.text.stratify import stratify


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(2, 60),
    labels=st.integers(1, 12),
    density=st.floats(0.02, 0.9),
    shares=st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.5), (0.2,) * 5, (0.7, 0.3)]),
)
def test_parts_are_those_of_the_library(seed, rows, labels, density, shares):
    rng = np.random.default_rng(seed)
    table = rng.random((rows, labels)) < density
    table[np.arange(rows), rng.integers(0, labels, rows)] = True
    expected = IterativeStratification(table, np.array(shares), np.random.RandomState(seed))
    found = stratify(csr_array(table.astype(np.int64)), np.array(shares), np.random.RandomState(seed))
    assert found.tolist() == expected.tolist()
