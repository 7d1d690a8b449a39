import numpy as np
from safetensors.numpy import load_file

from fenlei.encoders.weights_file import PendingTensor, write_weights


def test_safetensors_own_reader_gives_the_same(tmp_path):
    arrays = {
        "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "a": np.array(2.5, dtype=np.float64),
        "half": np.array([1, 2, 3], dtype=np.float16),
        "none": np.zeros((0, 3), dtype=np.float32),
        "flag": np.array([True]),
    }
    kinds = {"b.weight": "F32", "a": "F64", "half": "F16", "none": "F32", "flag": "BOOL"}
    pending = {
        name: PendingTensor(kinds[name], array.shape, lambda array=array: array) for name, array in arrays.items()
    }
    write_weights(tmp_path / "model.safetensors", pending)
    loaded = load_file(tmp_path / "model.safetensors")
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)
