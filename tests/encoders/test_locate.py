import pytest

from fenlei.encoders.locate import find_prefix, is_tensorflow_checkpoint, resolve_hub_cache
from fenlei.errors import EncoderError


def refusal(path):
    with pytest.raises(EncoderError) as caught:
        find_prefix(path)
    return f"{caught.value} | {caught.value.hint}"


NAMES = (
    "",
    "bert_model.ckpt",
    "bert_model.ckpt.index",
    "bert_model.ckpt.data-00000-of-00001",
    "bert_model.ckpt.meta",
)


@pytest.mark.parametrize("name", NAMES)
def test_folder_prefix_and_files(checkpoints, name):
    assert is_tensorflow_checkpoint(checkpoints / "bert" / name)
    assert find_prefix(checkpoints / "bert" / name) == checkpoints / "bert" / "bert_model.ckpt"


def test_a_prefix_without_ckpt(checkpoints):
    assert find_prefix(checkpoints / "electra_base").name == "electra_base"
    assert find_prefix(checkpoints / "electra_base" / "electra_base").name == "electra_base"


def test_what_a_mac_leaves_is_passed_over(copied):
    folder = copied("bert")
    (folder / "._bert_model.ckpt.index").write_bytes(b"\0\5\x16\7")
    (folder.parent / "__MACOSX").mkdir()
    (folder.parent / "__MACOSX" / "bert_model.ckpt.index").write_bytes(b"")
    # An archive often holds a folder of its own name.
    for path in (folder, folder.parent):
        assert is_tensorflow_checkpoint(path)
        assert find_prefix(path) == folder / "bert_model.ckpt"


def test_several_checkpoints(copied):
    folder = copied("bert")
    for file in list(folder.glob("bert_model*")):
        for step in ("9", "10"):
            (folder / file.name.replace(".ckpt", f".ckpt-{step}")).write_bytes(file.read_bytes())
        file.unlink()
    assert "holds several checkpoints: bert_model.ckpt-10, bert_model.ckpt-9" in refusal(folder)
    (folder / "checkpoint").write_text('model_checkpoint_path: "/home/a/run/bert_model.ckpt-10"\n')
    assert find_prefix(folder).name == "bert_model.ckpt-10"
    assert find_prefix(folder / "checkpoint").name == "bert_model.ckpt-10"
    (folder / "checkpoint").write_text('model_checkpoint_path: "gone.ckpt"\n')
    assert "several" in refusal(folder)


def test_a_missing_index(copied):
    folder = copied("bert")
    (folder / "bert_model.ckpt.index").unlink()
    for path in (folder, folder / "bert_model.ckpt", folder / "bert_model.ckpt.index"):
        assert is_tensorflow_checkpoint(path)
        message = refusal(path)
        assert f"{folder / 'bert_model.ckpt'}.index is missing; only bert_model.ckpt.data-00000-of-00001" in message


def test_the_old_format(copied):
    folder = copied("containers")
    assert is_tensorflow_checkpoint(folder / "old.ckpt")
    assert "old.ckpt is a checkpoint of TensorFlow's old V1 format" in refusal(folder / "old.ckpt")
    for file in [*folder.glob("*.index"), *folder.glob("*.data*")]:
        file.unlink()
    assert is_tensorflow_checkpoint(folder)
    assert "write_version=tf.train.SaverDef.V2" in refusal(folder)


def test_archives(tmp_path):
    for name in ("bert.zip", "bert.tar.gz", "bert.7z"):
        (tmp_path / name).write_bytes(b"PK")
        assert is_tensorflow_checkpoint(tmp_path / name)
        assert f"{tmp_path / name} is an archive | unpack it first" in refusal(tmp_path / name)
        assert is_tensorflow_checkpoint(tmp_path)
    message = refusal(tmp_path)
    assert f"{tmp_path} holds no TensorFlow checkpoint but the archive bert.7z" in message
    assert "unpack bert.7z and name the folder that comes out" in message


def test_nothing_there(tmp_path):
    assert not is_tensorflow_checkpoint(tmp_path)
    assert "no .index file" in refusal(tmp_path)
    assert not is_tensorflow_checkpoint(tmp_path / "nothing" / "model")
    assert f"there is no TensorFlow checkpoint at {tmp_path / 'nothing' / 'model'}" in refusal(
        tmp_path / "nothing" / "model"
    )
    (tmp_path / "page.ckpt").write_text("<html>")
    assert "page.ckpt is a web page" in refusal(tmp_path / "page.ckpt")


def test_a_hugging_face_directory_is_none(copied):
    folder = copied("bert")
    (folder / "config.json").write_text("{}")
    assert is_tensorflow_checkpoint(folder)
    (folder / "pytorch_model.bin").write_bytes(b"")
    assert not is_tensorflow_checkpoint(folder)
    assert is_tensorflow_checkpoint(folder / "bert_model.ckpt")


def test_hub_caches(tmp_path):
    cache = tmp_path / "models--hfl--rbt3"
    (cache / "snapshots" / "abc").mkdir(parents=True)
    (cache / "snapshots" / "def").mkdir()
    with pytest.raises(EncoderError, match="holds 2 snapshots and none is named as the branch main"):
        resolve_hub_cache(cache)
    (cache / "refs").mkdir()
    (cache / "refs" / "master").write_text("abc\n")
    assert resolve_hub_cache(cache) == cache / "snapshots" / "abc"
    (cache / "refs" / "main").write_text("def")
    assert resolve_hub_cache(cache) == cache / "snapshots" / "def"
    (cache / "snapshots" / "def").rmdir()
    (cache / "refs" / "master").unlink()
    assert resolve_hub_cache(cache) == cache / "snapshots" / "abc"
    (cache / "snapshots" / "abc").rmdir()
    with pytest.raises(EncoderError, match="holds 0 snapshots"):
        resolve_hub_cache(cache)
    assert resolve_hub_cache(tmp_path) == tmp_path
