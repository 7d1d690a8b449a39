import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from fenlei.encoders.convert import convert
from fenlei.encoders.tokenizer import load_tokenizer
from fenlei.encoders.torch_bin import is_torch_directory
from fenlei.errors import EncoderError, SettingsError


@pytest.fixture
def folder(tiny_encoder, tmp_path):
    """The tiny encoder as people share it: a pickle and vocab.txt."""
    folder = tmp_path / "shared"
    shutil.copytree(tiny_encoder, folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    return folder


def refusal(folder, out, error=EncoderError, **options):
    with pytest.raises(error) as caught:
        convert(folder, out, **options)
    assert not out.exists()
    return f"{caught.value} | {caught.value.hint}"


def test_weights_stay_bit_equal(folder, tiny_encoder, tmp_path):
    assert is_torch_directory(folder)
    report = convert(folder, tmp_path / "out")
    found, expected = (load_file(path / "model.safetensors") for path in (tmp_path / "out", tiny_encoder))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert report.family == "bert"
    assert report.parameters == sum(tensor.numel() for tensor in expected.values())


def test_a_vocabulary_alone_gets_the_exact_tokenizer_even_beside_albert(folder, tmp_path):
    from transformers import AutoTokenizer

    convert(folder, tmp_path / "out")
    text = "股票涨跌[MASK]今天"
    expected = load_tokenizer(folder).tokenizer.encode(text).ids
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    (tmp_path / "out" / "config.json").write_text(json.dumps(config | {"model_type": "albert"}))
    assert AutoTokenizer.from_pretrained(tmp_path / "out")(text)["input_ids"] == expected


def test_a_ready_tokenizer_is_copied(folder, tmp_path):
    load_tokenizer(folder).tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"pad_token": "[PAD]"}')
    convert(folder, tmp_path / "out")
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes()


def test_types_old_names_and_tied_tensors(folder, tmp_path):
    shared = torch.arange(6.0).reshape(2, 3)
    weights = {
        "a": shared,
        "tied": shared,
        "half": torch.tensor([0.1], dtype=torch.bfloat16),
        "transposed": shared.t(),
        "position_ids": torch.arange(4),
        "embeddings.LayerNorm.gamma": torch.ones(2),
        "embeddings.LayerNorm.beta": torch.zeros(2),
        "none": torch.zeros(0, 3),
    }
    torch.save(weights, folder / "pytorch_model.bin")
    report = convert(folder, tmp_path / "out")
    assert report.dropped == {"that are another tensor under a second name": ("tied",)}
    found = load_file(tmp_path / "out" / "model.safetensors")
    for name in ("a", "half", "transposed", "position_ids", "none"):
        assert found[name].dtype == weights[name].dtype
        assert torch.equal(found[name], weights[name])
    assert found["embeddings.LayerNorm.weight"].tolist() == [1, 1]
    assert found["embeddings.LayerNorm.bias"].tolist() == [0, 0]


def test_the_older_form_of_pickle(folder, tiny_encoder, tmp_path):
    weights = load_file(tiny_encoder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    convert(folder, tmp_path / "out")
    assert load_file(tmp_path / "out" / "model.safetensors").keys() == weights.keys()


def test_several_files(folder, tiny_encoder, tmp_path):
    weights = load_file(tiny_encoder / "model.safetensors")
    names = sorted(weights)
    parts = {"part-1.bin": names[:5], "part-2.bin": names[5:]}
    for file, part in parts.items():
        torch.save({name: weights[name] for name in part}, folder / file)
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    (folder / "pytorch_model.bin").unlink()
    convert(folder, tmp_path / "out")
    assert load_file(tmp_path / "out" / "model.safetensors").keys() == weights.keys()
    (folder / "part-2.bin").unlink()
    assert "pytorch_model.bin.index.json names part-2.bin, missing" in refusal(folder, tmp_path / "other")
    (folder / "pytorch_model.bin.index.json").write_text("{}")
    assert "pytorch_model.bin.index.json names no file" in refusal(folder, tmp_path / "other")


class Harmful:
    def __reduce__(self):
        return print, ("this must not run",)


def test_code_in_a_pickle_is_not_run(folder, tmp_path, capsys):
    torch.save({"a": torch.ones(1), "b": Harmful()}, folder / "pytorch_model.bin")
    message = refusal(folder, tmp_path / "out")
    assert "pytorch_model.bin cannot be read as PyTorch weights" in message
    assert "holds more than tensors, which is not loaded since it could run code" in message
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Harmful()))
    assert "cannot be read" in refusal(folder, tmp_path / "out")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git-LFS pointer"),
        (b"", "is empty"),
        (b"<html></html>", "is a web page"),
        (bytes(100), "cannot be read as PyTorch weights"),
    ],
)
def test_files_that_are_no_weights(folder, tmp_path, content, what):
    (folder / "pytorch_model.bin").write_bytes(content)
    assert f"{folder / 'pytorch_model.bin'} {what}" in refusal(folder, tmp_path / "out")


def test_a_truncated_file(folder, tmp_path):
    file = folder / "pytorch_model.bin"
    file.write_bytes(file.read_bytes()[:-300])
    assert "cannot be read as PyTorch weights" in refusal(folder, tmp_path / "out")


def test_other_content(folder, tmp_path):
    torch.save([1, 2], folder / "pytorch_model.bin")
    assert "holds no table of tensors but a list of other things" in refusal(folder, tmp_path / "out")
    torch.save({"a": torch.zeros(2, dtype=torch.complex64)}, folder / "pytorch_model.bin")
    assert "a is of type torch.complex64, which safetensors does not hold" in refusal(folder, tmp_path / "out")


def test_options_for_tensorflow_are_refused(folder, tmp_path):
    assert "are for TensorFlow checkpoints" in refusal(
        folder, tmp_path / "out", error=SettingsError, num_attention_heads=2
    )


def test_a_directory_with_safetensors_needs_nothing(folder):
    save_file({"a": torch.ones(1)}, folder / "model.safetensors")
    assert not is_torch_directory(folder)
