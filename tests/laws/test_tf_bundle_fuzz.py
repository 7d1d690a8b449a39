"""Whatever happens to a checkpoint's bytes: refused with fenlei's error, or harmless; never a wrong value."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenlei.encoders.tf_bundle import open_bundle
from fenlei.encoders.tf_recognise import recognise
from fenlei.encoders.tf_table import Scanner, masked_crc32c
from fenlei.errors import EncoderError

SOURCE = Path(__file__).resolve().parents[1] / "checkpoints" / "epsilon" / "bert" / "bert_model.ckpt"
INDEX = SOURCE.with_name(f"{SOURCE.name}.index").read_bytes()
DATA = SOURCE.with_name(f"{SOURCE.name}.data-00000-of-00001").read_bytes()

fuzzing = settings(max_examples=150, deadline=20_000, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def whole():
    bundle = open_bundle(SOURCE)
    return {name: bundle.read(name) for name in bundle.variables}


@pytest.fixture
def damaged(tmp_path):
    """A function: read everything in a checkpoint of these bytes; None where it is refused."""
    prefix = tmp_path / "model"

    def read(index=INDEX, data=DATA):
        (tmp_path / "model.index").write_bytes(index)
        (tmp_path / "model.data-00000-of-00001").write_bytes(data)
        try:
            bundle = open_bundle(prefix)
            return {name: bundle.read(name) for name in bundle.variables}
        except EncoderError:
            return None

    return read


def assert_same(found, whole):
    assert found.keys() == whole.keys()
    for name in whole:
        np.testing.assert_array_equal(found[name], whole[name])


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_bit_in_every_byte_of_the_index(damaged, whole):
    random = np.random.default_rng(0)
    accepted = 0
    for byte in range(len(INDEX)):
        found = damaged(index=flipped(INDEX, 8 * byte + int(random.integers(8))))
        if found is not None:
            assert_same(found, whole)
            accepted += 1
    # The metaindex block, its handle and the footer's padding, which no reader looks at.
    assert accepted < 60


@fuzzing
@given(bits=st.lists(st.integers(0, 8 * len(INDEX) - 1), min_size=1, max_size=6))
def test_flips_in_the_index(damaged, whole, bits):
    content = INDEX
    for bit in bits:
        content = flipped(content, bit)
    found = damaged(index=content)
    if found is not None:
        assert_same(found, whole)


@fuzzing
@given(bit=st.integers(0, 8 * len(DATA) - 1))
def test_a_flip_in_the_data_is_always_seen(damaged, bit):
    assert damaged(data=flipped(DATA, bit)) is None


@fuzzing
@given(size=st.integers(0, len(INDEX) - 1))
def test_a_truncated_index_is_always_refused(damaged, size):
    assert damaged(index=INDEX[:size]) is None


@fuzzing
@given(size=st.integers(0, len(DATA) - 1))
def test_truncated_data_are_always_refused(damaged, size):
    assert damaged(data=DATA[:size]) is None


@fuzzing
@given(index=st.binary(max_size=300))
def test_noise_is_refused(damaged, index):
    assert damaged(index=index) is None


@fuzzing
@given(data=st.data())
def test_a_wrong_index_with_right_checksums_raises_nothing_else(damaged, tmp_path, data):
    """What no accident makes: the parser behind the checksums must hold all the same."""
    footer = Scanner(INDEX[-48:], "footer")
    # The one data block starts at 0 and ends where the metaindex block starts.
    end = footer.varint() - 5
    changed = bytearray(INDEX)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, end - 1))
        changed[position] = data.draw(st.integers(0, 255))
    changed[end + 1 : end + 5] = masked_crc32c(bytes(changed[: end + 1])).to_bytes(4, "little")
    found = damaged(index=bytes(changed))
    if found is not None:
        shapes = {name: array.shape for name, array in found.items()}
        with contextlib.suppress(EncoderError):
            recognise(shapes, "model")
