import numpy as np
import pytest
import torch

from fenlei.encoders.packing import Packing


@pytest.mark.parametrize(
    ("lengths", "counts"),
    [
        ([10] * 4, [4]),
        ([2, 3, 10, 11], [1, 1, 2]),  # padding 2 to 3 would add a fifth
        ([128] * 9, [4, 4, 1]),  # four times 128 x 128 weights are the most
        ([255, 256, 257, 300], [1, 1, 1, 1]),
    ],
)
def test_runs_are_of_nearly_equal_length_and_of_few_weights(lengths, counts):
    packing = Packing.of(np.array(lengths), torch.device("cpu"))
    assert [run.count for run in packing.runs] == counts
    assert [run.start for run in packing.runs] == [0, *np.cumsum(lengths)[np.cumsum(counts)[:-1] - 1]]
    assert packing.runs[-1].stop == sum(lengths)
