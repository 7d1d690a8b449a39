import shutil
from pathlib import Path

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from fenlei.encoders import catalog
from fenlei.encoders.catalog import open_encoder
from fenlei.errors import EncoderError
from fenlei.runtime import cache_folder

CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "bert"


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FENLEI_CACHE", str(tmp_path / "cache"))


def test_a_hugging_face_directory_is_taken_as_it_is(tiny_encoder):
    source = open_encoder(str(tiny_encoder))
    assert (source.folder, source.kind) == (tiny_encoder, "folder")


def test_a_snapshot_in_a_hubs_cache_is_found(tiny_encoder, tmp_path):
    snapshot = tmp_path / "models--org--name" / "snapshots" / "abc"
    shutil.copytree(tiny_encoder, snapshot)
    assert open_encoder(str(tmp_path / "models--org--name")).folder == snapshot


def test_a_tensorflow_checkpoint_is_converted_once(tmp_path):
    shutil.copytree(CHECKPOINT, tmp_path / "bert")
    first = open_encoder(str(tmp_path / "bert"))
    made = (first.folder / "model.safetensors").stat().st_mtime_ns
    assert first.kind == "tensorflow"
    assert first.folder.is_relative_to(cache_folder())
    again = open_encoder(str(tmp_path / "bert"))
    assert again == first
    assert (again.folder / "model.safetensors").stat().st_mtime_ns == made
    # A changed checkpoint is another one.
    vocabulary = tmp_path / "bert" / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text(encoding="utf-8"), encoding="utf-8")
    assert open_encoder(str(tmp_path / "bert")).folder != first.folder


def test_the_starter_goes_through_the_cache(monkeypatch, tmp_path):
    monkeypatch.setattr("fenlei.encoders.starter.starter_directory", lambda cache: cache / "starter-x")
    source = open_encoder("starter")
    assert (source.folder, source.kind) == (cache_folder() / "starter-x", "starter")


def test_a_folder_without_an_encoder_is_refused(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("文")
    with pytest.raises(EncoderError, match="is neither a Hugging Face directory .* nor a TensorFlow checkpoint"):
        open_encoder(str(tmp_path / "texts"))


def test_a_path_that_is_not_there_is_no_hub_name(tmp_path):
    with pytest.raises(EncoderError, match="there is no file or folder") as caught:
        open_encoder(str(tmp_path / "chinese_L-12"))
    assert "--encoder starter" in caught.value.hint


def test_without_a_network_the_error_says_what_can_be_used_instead(monkeypatch, tmp_path):
    # The real hub code, as it behaves with HF_HUB_OFFLINE=1 and nothing in its cache.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(EncoderError, match="the encoder 'hfl/rbt3' could not be fetched from the hub") as caught:
        open_encoder("hfl/rbt3")
    for way in ("--encoder starter", "a folder on this disk", "HF_ENDPOINT"):
        assert way in caught.value.hint


def test_a_hub_name_is_downloaded_with_safetensors_first(monkeypatch, tiny_encoder, tmp_path):
    asked = []

    def snapshot_download(name, *, allow_patterns):
        asked.append(allow_patterns)
        folder = tmp_path / "snapshot"
        if len(asked) == 1:
            shutil.copytree(tiny_encoder, folder)
            (folder / "model.safetensors").rename(folder / "hidden")  # an old repository with .bin alone
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    source = open_encoder("org/old-model")
    assert (source.kind, source.folder) == ("hub", tmp_path / "snapshot")
    assert "*.safetensors*" in asked[0]
    assert "pytorch_model*.bin*" in asked[1]
    assert not any("*.h5" in patterns for patterns in asked)


def test_an_error_of_the_hub_is_told_in_its_first_line(monkeypatch):
    def refuse(*_, **__):
        raise LocalEntryNotFoundError("cannot reach it\nlong explanation")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(EncoderError, match=r"from the hub: cannot reach it$"):
        catalog._downloaded("org/name")


def test_the_cache_folder_follows_the_system(monkeypatch):
    monkeypatch.delenv("FENLEI_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/fenlei")
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/app")
    assert cache_folder() == Path("/app/fenlei/cache")
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "fenlei"
