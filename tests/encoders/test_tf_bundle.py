import numpy as np
import pytest

from fenlei.encoders.tf_bundle import open_bundle
from fenlei.errors import EncoderError


def read_all(prefix, variable=None):
    bundle = open_bundle(prefix)
    return [bundle.read(name) for name in ([variable] if variable else bundle.variables)]


NUMBERS = ["float16", "float32", "float64", "complex64", "complex128"]
NUMBERS += [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]


def refusal(prefix, variable=None):
    """The message and hint with which the checkpoint (or one variable) is refused."""
    with pytest.raises(EncoderError) as caught:
        read_all(prefix, variable)
    return f"{caught.value} | {caught.value.hint}"


@pytest.fixture
def bert(copied):
    return copied("bert") / "bert_model.ckpt"


@pytest.fixture
def containers(copied):
    return copied("containers")


@pytest.fixture
def crafted(tmp_path, writer):
    """A function: the prefix of a checkpoint with the one variable w = [1, 2], an index made by hand."""

    def craft(*, header=None, extra=(), name=b"w", **changes):
        data = np.array([1, 2], dtype=np.float32).tobytes()
        fields = {"dtype": 1, "shape": (2,), "size": 8, "crc": writer.masked(data)} | changes
        prefix = tmp_path / "crafted"
        entries = [(b"", header or writer.header()), (name, writer.entry(**fields)), *extra]
        (tmp_path / "crafted.index").write_bytes(writer.table(entries))
        (tmp_path / "crafted.data-00000-of-00001").write_bytes(data)
        return prefix

    return craft


def test_every_number_type_comes_as_saved(checkpoints):
    bundle = open_bundle(checkpoints / "containers" / "types.ckpt")
    for kind in NUMBERS:
        array = bundle.read(kind)
        assert array.dtype == kind
        assert bundle.dtype(kind) == kind
        assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert bundle.read("bool").tolist() == [[False, True, True], [True, True, True]]
    assert bundle.read("bfloat16").dtype == np.float32
    assert bundle.read("bfloat16").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert bundle.read("scalar").shape == ()
    assert bundle.read("scalar") == 3.5
    assert bundle.read("empty").shape == (0, 4)


def test_strings_are_listed_but_not_read(checkpoints):
    assert "the variable string holds strings" in refusal(checkpoints / "containers" / "types.ckpt", "string")


def test_data_in_several_files(checkpoints):
    bundle = open_bundle(checkpoints / "containers" / "sharded.ckpt")
    assert [bundle.variables[name].shard for name in ("a0", "a1")] == [0, 1]
    assert bundle.read("a1").tolist() == [1, 2, 3, 4, 5]
    assert bundle.read("b0").tolist() == [[9, 9], [9, 9]]


@pytest.mark.parametrize("name", ["rows", "columns"])
def test_partitioned_variables_are_put_together(checkpoints, name):
    bundle = open_bundle(checkpoints / "containers" / "partitioned.ckpt")
    assert bundle.variables[name].slices
    np.testing.assert_array_equal(bundle.read(name), np.arange(1400, dtype=np.float32).reshape(700, 2))


def test_a_missing_part_of_a_partitioned_variable(containers):
    prefix = containers / "partitioned.ckpt"
    bundle = open_bundle(prefix)
    del bundle.pieces[next(key for key in bundle.pieces if b"rows" in key)]
    with pytest.raises(EncoderError, match=r"its parts hold \d+ values of 1,400"):
        bundle.read("rows")


def test_a_part_of_another_shape(containers):
    bundle = open_bundle(containers / "partitioned.ckpt")
    first, second, *_ = (key for key in bundle.pieces if b"rows" in key)
    bundle.pieces[first], bundle.pieces[second] = bundle.pieces[second], bundle.pieces[first]
    # 234 + 233 + 233 rows; the first two are of different length.
    with pytest.raises(EncoderError, match="is missing or of another shape"):
        bundle.read("rows")


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("per_block", [1, 3, 1000])
def test_many_blocks_and_both_byte_orders(tmp_path, writer, big_endian, per_block):
    tensors = {f"layer_{number}/w": np.arange(number + 1, dtype=np.float32) for number in range(10)}
    tensors |= {"step": np.array(-3, dtype=np.int64), "half": np.array([0.5, -2], dtype=np.float16)}
    writer.write_bundle(tmp_path / "model", tensors, big_endian=big_endian, per_block=per_block)
    bundle = open_bundle(tmp_path / "model")
    assert bundle.variables.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(bundle.read(name), array)


def test_neither_graph_nor_state_file_is_needed(checkpoints):
    assert {file.suffix for file in (checkpoints / "bert").iterdir()}.isdisjoint({".meta", ""})


def test_bytes_after_the_last_tensor_are_harmless(bert):
    with bert.with_name(f"{bert.name}.data-00000-of-00001").open("ab") as file:
        file.write(b"padding")
    assert open_bundle(bert).read("bert/pooler/dense/bias").shape == (16,)


# --- files that are not what their names say ---


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty | download it again"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 8\n",
            "a Git-LFS pointer, not the file",
        ),
        (b"\n<!DOCTYPE html><html><body>404</body></html>" * 9, "is a web page"),
        (b"PK\x03\x04" + bytes(90), "is a zip archive | unpack it first"),
        (b"\x1f\x8b\x08" + bytes(90), "is a gzip archive"),
        (b"\x00\x05\x16\x07" + bytes(90), "is a macOS resource file"),
        (bytes(90), "(90 bytes) is not the index of a TensorFlow checkpoint, or is cut short"),
    ],
)
def test_an_index_that_is_something_else(bert, content, what):
    index = bert.with_name("bert_model.ckpt.index")
    index.write_bytes(content)
    assert f"{index} " in (message := refusal(bert))
    assert what in message


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_index(bert, kept):
    index = bert.with_name("bert_model.ckpt.index")
    index.write_bytes(index.read_bytes()[: int(index.stat().st_size * kept)])
    assert "cut short" in refusal(bert)


def test_an_index_that_cannot_be_read(bert):
    index = bert.with_name("bert_model.ckpt.index")
    index.unlink()
    assert "bert_model.ckpt.index cannot be read: No such file" in refusal(bert)


def test_a_compressed_index(tmp_path, writer):
    (tmp_path / "model.index").write_bytes(writer.table([(b"", writer.header())], kind=1))
    assert "is compressed (Snappy)" in (message := refusal(tmp_path / "model"))
    assert "save the checkpoint again with TensorFlow's own Saver" in message
    (tmp_path / "model.index").write_bytes(writer.table([(b"", writer.header())], kind=7))
    assert "is compressed (type 7)" in refusal(tmp_path / "model")


# --- data files ---


def test_a_missing_data_file(bert):
    data = bert.with_name("bert_model.ckpt.data-00000-of-00001")
    data.rename(f"{data}.crdownload")
    message = refusal(bert)
    assert f"{data} is missing; beside it lies {data.name}.crdownload, a download that did not end" in message
    (data.parent / f"{data.name}.crdownload").unlink()
    assert "download the missing one from the same place" in refusal(bert)


def test_a_missing_shard(containers):
    (containers / "sharded.ckpt.data-00001-of-00002").unlink()
    assert "sharded.ckpt.data-00001-of-00002 is missing" in refusal(containers / "sharded.ckpt")


def test_sizes_are_checked_before_anything_is_read(bert):
    data = bert.with_name("bert_model.ckpt.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(EncoderError, match="has 78,319 bytes, its index needs 78,320") as caught:
        open_bundle(bert)
    assert caught.value.hint == "the download was cut off; download the file again"
    data.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "its index needs 78,320; it is a Git-LFS pointer" in refusal(bert)


def test_swapped_shards(containers):
    first, second = (containers / f"sharded.ckpt.data-0000{number}-of-00002" for number in (0, 1))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert "do not match the checksum in sharded.ckpt.index" in refusal(containers / "sharded.ckpt")


def test_data_of_another_checkpoint(bert):
    data = bert.with_name("bert_model.ckpt.data-00000-of-00001")
    data.write_bytes(np.random.default_rng(0).bytes(data.stat().st_size))
    message = refusal(bert)
    assert "do not match the checksum in bert_model.ckpt.index" in message
    assert "index and data are of two checkpoints" in message


def test_a_flipped_bit_of_the_data_is_seen_where_it_is_read_and_only_there(bert):
    data = bert.with_name("bert_model.ckpt.data-00000-of-00001")
    entry = open_bundle(bert).variables["bert/pooler/dense/kernel"]
    content = bytearray(data.read_bytes())
    content[entry.offset + 5] ^= 16
    data.write_bytes(content)
    message = refusal(bert, "bert/pooler/dense/kernel")
    assert f"{data}: the bytes of bert/pooler/dense/kernel (from byte {entry.offset:,}, 1,024 long)" in message
    assert open_bundle(bert).read("bert/pooler/dense/kernel/adam_m").shape == (16, 16)


def test_a_data_file_that_vanishes(bert):
    bundle = open_bundle(bert)
    bert.with_name("bert_model.ckpt.data-00000-of-00001").unlink()
    with pytest.raises(EncoderError, match="cannot be read: No such file"):
        bundle.read("bert/pooler/dense/bias")


# --- indices with right checksums and wrong content ---


def test_the_crafted_checkpoint_itself_is_read(crafted):
    assert open_bundle(crafted()).read("w").tolist() == [1, 2]


def test_headers(crafted, writer):
    assert "(header) is damaged: it names -1 data files" in refusal(crafted(header=writer.header(shards=-1)))
    assert "asks for reader version 2; fenlei reads version 1" in refusal(crafted(header=writer.header(min_consumer=2)))
    assert "wire type 7 does not exist" in refusal(crafted(header=b"\x0f"))
    assert "field 1 is no number" in refusal(crafted(header=writer.message(1, b"x")))
    assert "field 3 is no message" in refusal(crafted(header=writer.number(1, 1) + writer.number(3, 1)))
    assert "a number is longer than 64 bits" in refusal(crafted(header=b"\x08" + b"\xff" * 10))
    assert "a number is longer than 64 bits" in refusal(crafted(header=b"\x08" + b"\xff" * 9 + b"\x7f"))
    assert "5 bytes expected, 0 left" in refusal(crafted(header=b"\x1a\x05"))


def test_a_table_without_header(tmp_path, writer):
    (tmp_path / "model.index").write_bytes(writer.table([(b"w", b"")]))
    assert "model.index is damaged: it has no header" in refusal(tmp_path / "model")


def test_unknown_fields_are_skipped(crafted, writer):
    header = writer.header() + writer.number(9, 5) + b"\x51" + bytes(8)
    assert open_bundle(crafted(header=header)).read("w").tolist() == [1, 2]


def test_entries(crafted, writer):
    assert "(w) is damaged: it lies in data file 3 of 1" in refusal(crafted(shard=3))
    assert "it lies at byte -4 and is 8 bytes long" in refusal(crafted(offset=-4))
    assert "shape [3] needs 12 bytes, not 8" in refusal(crafted(shape=(3,)))
    assert "its shape is not known in full" in refusal(crafted(shape=(-2,)))
    assert "the variable w is of TensorFlow's type 20; only numbers are read" in refusal(crafted(dtype=20))
    assert "has 8 bytes, its index needs 16" in refusal(crafted(offset=8))
    assert "shape (0, 4611686018427387904)" in refusal(crafted(shape=(0, 1 << 62), size=0, crc=writer.masked(b"")))
    assert r"the name b'\xff' is not UTF-8" in refusal(crafted(name=b"\xff"))


def test_names_out_of_order(crafted, writer):
    assert "its names are not in order" in refusal(
        crafted(extra=[(b"a", writer.entry(dtype=1, shape=(), size=4, crc=b"0000"))])
    )


def test_damaged_blocks(tmp_path, writer):
    good = writer.table([(b"", writer.header())])
    index = tmp_path / "model.index"

    index.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    assert "(block at byte 0) is damaged: its checksum does not match" in refusal(tmp_path / "model")

    # The footer's last two numbers are the handle of the index block.
    footer = writer.varint(0) * 2 + writer.varint(5000) + writer.varint(9)
    index.write_bytes(good[:-48] + footer.ljust(40, b"\0") + writer.MAGIC)
    assert f"it would end at byte 5014 of {len(good)}" in refusal(tmp_path / "model")

    body = b"\xff\xff\xff\x7f" + b"\0"
    footer = writer.varint(0) * 2 + writer.varint(0) + writer.varint(4)
    index.write_bytes(body + writer.masked(body) + footer.ljust(40, b"\0") + writer.MAGIC)
    assert "2147483647 restart points do not fit into 4 bytes" in refusal(tmp_path / "model")

    body = b"\x05\x00\x00" + b"\0\0\0\0\1\0\0\0" + b"\0"
    footer = writer.varint(0) * 2 + writer.varint(0) + writer.varint(len(body) - 1)
    index.write_bytes(body + writer.masked(body) + footer.ljust(40, b"\0") + writer.MAGIC)
    assert "a name shares 5 bytes with one of 0" in refusal(tmp_path / "model")
