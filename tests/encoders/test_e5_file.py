import struct

import numpy as np
import pytest

from fenlei.encoders.e5_file import read_e5_file
from fenlei.errors import EncoderError

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "中", "中国", "<mask>"]
TENSORS = {"matrix": (1, 64, 36), "vector": (0, 3, 12)}


def one_group() -> bytes:
    """Scale 0.5; before the shift by 8, weights 0-15 are 0, 1, ..., 15 and 16-31 are 15, 14, ..., 0."""
    return np.float16(0.5).tobytes() + bytes(low | (15 - low) << 4 for low in range(16))


def e5_bytes(
    *,
    magic=b"E5S1",
    version=1,
    hidden=32,
    heads=2,
    rows=9,
    group=32,
    pieces=PIECES,
    bounds=None,
    tensors=TENSORS,
    shift=0,
):
    """A small file of the format; `matrix` is (2, 32) and `vector` (3,)."""
    blob = b"".join(piece if isinstance(piece, bytes) else piece.encode() for piece in pieces)
    if bounds is None:
        lengths = [len(piece if isinstance(piece, bytes) else piece.encode()) for piece in pieces]
        bounds = np.cumsum([0, *lengths])
    head = magic + struct.pack("<I7ifi", version, hidden, 1, heads, 64, rows, 16, 2, 1e-12, group)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, len(blob))
    head += np.array(bounds, "<u4").tobytes() + (-np.arange(len(pieces), dtype="<f4")).tobytes() + blob
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0x3000, 1, 0x20)
    data = one_group() + one_group()[:2] + bytes(16) + np.array([1.5, -2, 0], "<f4").tobytes()
    directory_size = 4 + sum(2 + len(name) + 21 for name in tensors)
    offset = len(head) + directory_size + shift
    head += struct.pack("<i", len(tensors))
    for name, (kind, count, size) in tensors.items():
        head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", kind, count, offset, size)
        offset += size
    return head + data


@pytest.fixture
def refusal(tmp_path):
    """The message with which a file of these bytes is refused."""

    def read(data):
        path = tmp_path / "model.bin"
        path.write_bytes(data)
        with pytest.raises(EncoderError) as caught:
            read_e5_file(path)
        assert str(path) in str(caught.value)
        return str(caught.value)

    return read


@pytest.fixture
def read(tmp_path):
    def read(data):
        path = tmp_path / "model.bin"
        path.write_bytes(data)
        return read_e5_file(path)

    return read


def test_header_and_vocabulary(read):
    file = read(e5_bytes())
    assert (file.hidden_size, file.layers, file.heads, file.feed_forward) == (32, 1, 2, 64)
    assert (file.vocabulary, file.positions, file.token_types) == (9, 16, 2)
    assert file.layer_norm_epsilon == 1e-12
    assert file.pieces == PIECES
    assert file.scores.tolist() == [-float(index) for index in range(len(PIECES))]


def test_a_group_decoded_by_hand(read):
    matrix = read(e5_bytes()).tensor("matrix", (2, 32))
    assert matrix.dtype == np.float32
    rising = [-4 + 0.5 * step for step in range(16)]
    assert matrix[0].tolist() == rising + rising[::-1]
    assert matrix[1].tolist() == [-4] * 32


def test_rows_in_the_order_asked_for(read):
    file = read(e5_bytes())
    whole = file.tensor("matrix", (2, 32))
    assert np.array_equal(file.tensor("matrix", (2, 32), rows=np.array([1, 0, 1])), whole[[1, 0, 1]])


def test_plain_numbers(read):
    assert read(e5_bytes()).tensor("vector", (3,)).tolist() == [1.5, -2, 0]


def test_cut_short_anywhere_is_refused(tmp_path):
    data = e5_bytes()
    path = tmp_path / "model.bin"
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(EncoderError, match=f"ends at byte {size}, within"):
            read_e5_file(path).tensor("vector", (3,))


def test_missing_file(tmp_path):
    with pytest.raises(EncoderError, match=r"none\.bin cannot be read: No such file"):
        read_e5_file(tmp_path / "none.bin")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"magic": b"GGUF"}, "is of format b'GGUF', version 1; b'E5S1', version 1 can be read"),
        ({"version": 2}, "is of format b'E5S1', version 2; b'E5S1', version 1 can be read"),
        ({"hidden": -32}, r"the header has the sizes \[-32, 1, 2, 64, 9, 16, 2\] and groups of 32"),
        ({"heads": 5}, "which no model has"),
        ({"group": 64}, "and groups of 64, which no model has"),
        ({"pieces": [], "bounds": [0]}, "the vocabulary has 0 pieces"),
        ({"bounds": [0, 3, 2, 4, 5, 6, 7, 8, 40]}, "the vocabulary's offsets or scores are damaged"),
        ({"pieces": [*PIECES, b"\xff\xfe"]}, "a piece of the vocabulary is not UTF-8: 'utf-8' codec"),
        ({"rows": 7}, "8 pieces, but only 7 rows of embeddings"),
    ],
)
def test_refused_when_read(refusal, change, message):
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(refusal(e5_bytes(**change)))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"other": (1, 64, 36)}, "the tensor 'matrix' is missing"),
        ({"matrix": (7, 64, 36)}, "'matrix' is of unknown type 7; 0 and 1 are known"),
        ({"matrix": (1, 96, 54)}, r"'matrix' has 96 numbers in 54 bytes; its shape should be \(2, 32\)"),
        ({"matrix": (1, 64, 35)}, r"'matrix' has 64 numbers in 35 bytes; its shape should be \(2, 32\)"),
    ],
)
def test_refused_when_decoded(read, tensors, message):
    file = read(e5_bytes(tensors=tensors))
    with pytest.raises(EncoderError, match=message):
        file.tensor("matrix", (2, 32))


def test_rows_that_are_not_whole_groups_are_refused(read):
    with pytest.raises(EncoderError, match=r"its shape should be \(4, 16\)"):
        read(e5_bytes()).tensor("matrix", (4, 16))


def test_a_tensor_beyond_the_end_is_refused(read):
    with pytest.raises(EncoderError, match="within 'vector'"):
        read(e5_bytes(shift=1000)).tensor("vector", (3,))
