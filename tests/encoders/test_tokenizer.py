import json
import shutil

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from fenlei.encoders.tokenizer import load_tokenizer, save_tokenizer
from fenlei.errors import EncoderError

TEXTS = ["球队今天进决赛。", "abc 利率[MASK]涨", "", "[CLS] Café ＡＢ \u2028 银行"]


def edited(source, target, **config):
    shutil.copytree(source, target)
    stored = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(stored | config))
    return target


def ids(tokenizer, texts=TEXTS):
    return [tokenizer.tokenizer.encode(text).ids for text in texts]


@pytest.mark.parametrize("model_type", ["bert", "albert", "electra", "ernie"])
def test_a_vocabulary_alone_is_wordpiece_whatever_the_model_type(tiny_encoder, tmp_path, model_type):
    folder = edited(tiny_encoder, tmp_path / "encoder", model_type=model_type)
    tokenizer = load_tokenizer(folder)
    vocabulary = (folder / "vocab.txt").read_text("utf-8").splitlines()
    assert ids(tokenizer, ["球队"]) == [[vocabulary.index(token) for token in ("[CLS]", "球", "队", "[SEP]")]]


@pytest.mark.parametrize("model_type", ["bert", "albert", "electra"])
def test_transformers_reads_the_saved_tokenizer_alike(tiny_encoder, tmp_path, model_type):
    folder = edited(tiny_encoder, tmp_path / "encoder", model_type=model_type)
    tokenizer = load_tokenizer(folder)
    (folder / "vocab.txt").unlink()
    save_tokenizer(tokenizer, folder, max_tokens=20)
    plain = AutoTokenizer.from_pretrained(folder)
    assert [plain(text)["input_ids"] for text in TEXTS] == ids(tokenizer)
    assert plain("球" * 50, truncation=True)["input_ids"].__len__() == 20
    assert "token_type_ids" in plain("球")
    assert ids(load_tokenizer(folder)) == ids(tokenizer)


def test_literal_special_tokens_stay_text(tiny_encoder):
    tokenizer = load_tokenizer(tiny_encoder)
    mask, separator = (tokenizer.tokenizer.token_to_id(token) for token in ("[MASK]", "[SEP]"))
    found = tokenizer.tokenizer.encode("利率[MASK]涨[SEP]").ids
    assert mask not in found
    assert found.count(separator) == 1


def test_a_vocabulary_of_another_model_is_refused(tiny_encoder, tmp_path):
    folder = edited(tiny_encoder, tmp_path / "encoder", vocab_size=21128)
    with pytest.raises(EncoderError, match=r"the vocabulary has \d+ tokens but the embedding table 21,128 rows"):
        load_tokenizer(folder)


def test_a_folder_without_a_tokenizer_is_refused(tiny_encoder, tmp_path):
    folder = edited(tiny_encoder, tmp_path / "encoder")
    (folder / "vocab.txt").unlink()
    with pytest.raises(EncoderError, match="has no tokenizer that can be read|the vocabulary has"):
        load_tokenizer(folder)


def test_files_that_are_no_json_are_named(tiny_encoder, tmp_path):
    folder = edited(tiny_encoder, tmp_path / "encoder")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(EncoderError, match=r"tokenizer\.json is not a tokenizer"):
        load_tokenizer(folder)
    (folder / "config.json").write_text("<html>")
    with pytest.raises(EncoderError, match=r"config\.json is not valid JSON"):
        load_tokenizer(folder)


def test_a_slow_tokenizer_goes_through_transformers(tmp_path):
    """A folder of RoBERTa's kind, with vocab.json and merges.txt."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "roberta", "vocab_size": 9}))
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4, "a": 5, "b": 6, "ab": 7, "Ġ": 8}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    tokenizer = load_tokenizer(tmp_path)
    assert isinstance(tokenizer.tokenizer, Tokenizer)
    assert ids(tokenizer, ["ab"]) == [[0, 7, 2]]
    assert tokenizer.special_tokens["cls_token"] == "<s>"
    assert "token_type_ids" not in tokenizer.input_names
