import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fenlei.encoders.convert import convert
from fenlei.encoders.locate import is_tensorflow_checkpoint, resolve_hub_cache
from fenlei.encoders.tf_bundle import open_bundle
from fenlei.encoders.tokenizer import load_tokenizer
from fenlei.errors import EncoderError, FenleiError, SettingsError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "checkpoints"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the official files lie in ../shared, not here")


def refusal(*arguments, error=FenleiError, **options):
    """The message and hint; nothing may be left beside or at the output."""
    out = arguments[1]
    before = sorted(out.parent.iterdir())
    with pytest.raises(error) as caught:
        convert(*arguments, **options)
    assert sorted(out.parent.iterdir()) == before
    return f"{caught.value} | {caught.value.hint}"


def without(*parts):
    return lambda arrays: {name: a for name, a in arrays.items() if not any(part in name for part in parts)}


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


def test_a_hugging_face_directory_comes_out(checkpoints, tmp_path):
    report = convert(checkpoints / "bert", tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert config_of(tmp_path / "out") == {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": 60,
        "hidden_size": 16,
        "intermediate_size": 32,
        "max_position_embeddings": 24,
        "type_vocab_size": 2,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "pad_token_id": 0,
    }
    assert report.parameters == sum(a.size for a in load_file(tmp_path / "out" / "model.safetensors").values())
    assert len(report.used) == 39
    assert report.notes == ()
    tokens = load_tokenizer(tmp_path / "out").tokenizer.encode("今天15号[MASK]").tokens
    assert tokens == ["[CLS]", "今", "天", "1", "##5", "[UNK]", "[UNK]", "[UNK]", "[UNK]", "[SEP]"]


def test_the_same_bytes_each_time(checkpoints, tmp_path):
    for name in ("a", "b"):
        convert(checkpoints / "electra", tmp_path / name)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


@pytest.mark.parametrize("name", ["albert_brightmart", "albert_google_no_mapping"])
def test_an_identity_mapping_is_named_as_frozen(checkpoints, tmp_path, name):
    report = convert(checkpoints / name, tmp_path / "out")
    assert config_of(tmp_path / "out")["fenlei_frozen_parameters"] == ["encoder.embedding_hidden_mapping_in"]
    assert report.added == (
        "encoder.embedding_hidden_mapping_in: an identity that AlbertModel needs; it stays frozen in training",
    )
    convert(checkpoints / "albert_google", tmp_path / "google")
    assert "fenlei_frozen_parameters" not in config_of(tmp_path / "google")


def test_optimizer_slots_are_not_read(copied, tmp_path):
    folder = copied("bert")
    entry = open_bundle(folder / "bert_model.ckpt").variables["bert/pooler/dense/kernel/adam_v"]
    data = folder / "bert_model.ckpt.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[entry.offset] ^= 1
    data.write_bytes(content)
    convert(folder, tmp_path / "out")


@pytest.mark.parametrize("kind", ["float16", "float64"])
def test_other_float_types_become_float32(rewritten, tmp_path, kind):
    folder = rewritten("epsilon/bert", lambda arrays: {name: a.astype(kind) for name, a in arrays.items()})
    convert(folder, tmp_path / "out")
    assert {a.dtype.name for a in load_file(tmp_path / "out" / "model.safetensors").values()} == {"float32"}


def test_whole_numbers_are_refused(rewritten, tmp_path):
    bias = "bert/pooler/dense/bias"
    folder = rewritten("epsilon/bert", lambda arrays: arrays | {bias: np.zeros(16, dtype=np.int32)})
    assert f"{bias} holds int32, not floating-point numbers" in refusal(folder, tmp_path / "out", error=EncoderError)


def test_an_encoder_without_pooler(rewritten, tmp_path):
    report = convert(rewritten("bert", without("pooler", "cls", "adam", "global_step")), tmp_path / "out")
    assert report.variant == ("without pooler (training makes a fresh one)",)
    assert not any("pooler" in name for name in load_file(tmp_path / "out" / "model.safetensors"))


def test_a_configuration_elsewhere(copied, tmp_path):
    folder = copied("albert_brightmart")
    config = folder / "albert_config_tiny.json"
    config.rename(tmp_path / "albert_config_tiny.json")
    message = refusal(folder, tmp_path / "out", error=EncoderError)
    assert f"{folder} (no configuration) does not state num_hidden_layers" in message
    report = convert(folder, tmp_path / "out", config=tmp_path / "albert_config_tiny.json")
    assert report.config_file == str(tmp_path / "albert_config_tiny.json")
    stated = convert(folder, tmp_path / "stated", num_attention_heads=4, num_hidden_layers=3)
    assert stated.config_file is None
    assert config_of(tmp_path / "stated")["num_hidden_layers"] == 3


def test_a_vocabulary_elsewhere(copied, tmp_path):
    folder = copied("bert")
    (folder / "vocab.txt").rename(tmp_path / "tokens.txt")
    message = refusal(folder, tmp_path / "out", error=EncoderError)
    assert f"there is no vocabulary {folder / 'vocab.txt'} | name it: fenlei convert SOURCE OUT --vocab FILE" in message
    assert "60 tokens" in convert(folder, tmp_path / "out", vocab=tmp_path / "tokens.txt").vocabulary


def test_a_vocabulary_of_another_model(copied, tmp_path):
    folder = copied("bert")
    with (folder / "vocab.txt").open("a", encoding="utf-8") as file:
        file.write("多\n")
    assert "has 61 tokens but the embedding table 60 rows" in refusal(folder, tmp_path / "out", error=EncoderError)


def test_nothing_is_left_of_a_conversion_that_fails_while_writing(copied, tmp_path):
    folder = copied("bert")
    data = folder / "bert_model.ckpt.data-00000-of-00001"
    data.write_bytes(bytes(data.stat().st_size))
    assert "do not match the checksum" in refusal(folder, tmp_path / "out", error=EncoderError)


def test_an_output_in_the_way(checkpoints, copied, tmp_path):
    out = tmp_path / "out"
    convert(checkpoints / "bert", out)
    message = refusal(checkpoints / "bert", out, error=SettingsError)
    assert f"{out} already exists" in message
    assert "--overwrite" in message
    convert(checkpoints / "electra", out, overwrite=True)
    assert config_of(out)["model_type"] == "electra"
    (out / "config.json").unlink()
    assert "is no encoder (it has no config.json) and is not overwritten" in refusal(
        checkpoints / "bert", out, overwrite=True
    )
    folder = copied("bert")
    for inner in (folder, folder / "bert_model.ckpt"):
        assert f"{folder} holds the source" in refusal(inner, folder, overwrite=True)
    (tmp_path / "empty").mkdir()
    convert(checkpoints / "bert", tmp_path / "empty")


def test_a_directory_that_needs_no_conversion(tiny_encoder, tmp_path):
    assert f"{tiny_encoder} already is a Hugging Face directory | use it as it is" in refusal(
        tiny_encoder, tmp_path / "out"
    )


def test_hub_cache_folders(copied, tmp_path):
    folder = copied("bert")
    snapshot = tmp_path / "models--google--bert" / "snapshots" / "abc"
    snapshot.parent.mkdir(parents=True)
    folder.rename(snapshot)
    assert resolve_hub_cache(tmp_path / "models--google--bert") == snapshot
    assert is_tensorflow_checkpoint(snapshot)
    assert convert(tmp_path / "models--google--bert", tmp_path / "out").family == "BERT"


def test_the_report_tells_what_happened(copied, tmp_path):
    folder = copied("electra")
    config = json.loads((folder / "small_discriminator_config.json").read_text())
    del config["type_vocab_size"]
    (folder / "small_discriminator_config.json").write_text(json.dumps(config))
    report = convert(folder, tmp_path / "out")
    assert report.lines() == [
        f"source      {folder}/electra_180g_small.ckpt",
        "recognised  ELECTRA, discriminator, embeddings of 8 projected to 16",
        "by          variables named electra/encoder/layer_…",
        "shapes      2 layers, width 16, 4 heads, feed-forward 32, 60 tokens, embeddings 8, 24 positions, "
        "2 token types",
        "settings    gelu by erf (gelu), LayerNorm epsilon 1e-12, dropout 0.1, attention dropout 0.1",
        "parameters  5,296",
        "used        39 variables",
        "dropped     4 of pretraining heads: discriminator_predictions/dense/bias, …",
        "dropped     23 of ELECTRA's generator: generator/embeddings_project/bias, …",
        f"config      {folder}/small_discriminator_config.json",
        "corrected   type_vocab_size is not stated; the weights show 2",
        f"vocabulary  {folder}/vocab.txt, 60 tokens",
        f"wrote       {tmp_path}/out",
    ]
    assert json.loads(json.dumps(report.to_dict()))["dropped"]["of pretraining heads"][0].startswith("discr")


def test_neither_torch_nor_tensorflow_is_loaded(checkpoints, tmp_path):
    code = (
        "import sys; from pathlib import Path; from fenlei.encoders.convert import convert;"
        f"convert(Path({str(checkpoints / 'bert')!r}), Path({str(tmp_path / 'out')!r}));"
        "print({'torch', 'transformers', 'tensorflow'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_memory_stays_near_the_largest_tensor(tmp_path, writer):
    random = np.random.default_rng(0)
    shapes = {
        "bert/embeddings/word_embeddings": (9000, 128),
        "bert/embeddings/position_embeddings": (512, 128),
    }
    shapes["bert/embeddings/token_type_embeddings"] = (2, 128)
    for norm in (
        "embeddings/LayerNorm",
        *(f"encoder/layer_{n}/{part}output/LayerNorm" for n in range(20) for part in ("", "attention/")),
    ):
        shapes |= {f"bert/{norm}/gamma": (128,), f"bert/{norm}/beta": (128,)}
    for n in range(20):
        widths = {f"attention/{part}": (128, 128) for part in ("self/query", "self/key", "self/value", "output/dense")}
        widths |= {"intermediate/dense": (128, 512), "output/dense": (512, 128)}
        for part, shape in widths.items():
            shapes |= {
                f"bert/encoder/layer_{n}/{part}/kernel": shape,
                f"bert/encoder/layer_{n}/{part}/bias": shape[1:],
            }
    arrays = {name: random.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}
    writer.write_bundle(tmp_path / "model", arrays)
    size = sum(array.nbytes for array in arrays.values())
    del arrays
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{n}" for n in range(8995))]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    tracemalloc.start()
    convert(tmp_path / "model", tmp_path / "out", num_attention_heads=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 18e6
    # Below the file itself: a reader that holds all of it, or a copy, would show.
    assert peak < 0.8 * size


@needs_shared
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("bad/empty_index", "bert_model.ckpt.index is empty | download it again"),
        ("bad/flipped_data_byte", "do not match the checksum in bert_model.ckpt.index | it is damaged"),
        (
            "bad/lfs_pointer_index",
            "is a Git-LFS pointer, not the file itself | fetch the file with `git lfs pull`",
        ),
        (
            "bad/missing_shard",
            "model.ckpt.data-00001-of-00002 is missing | a checkpoint is its .index and every",
        ),
        ("bad/snappy_index", "is compressed (Snappy)"),
        ("bad/truncated_index", "(700 bytes) is not the index of a TensorFlow checkpoint, or is cut short"),
        ("bundle_tf1/old_v1_format", "is a checkpoint of TensorFlow's old V1 format"),
        ("albert_brightmart_preln", "ln_type 'preln' is a pre-LN model"),
    ],
)
def test_official_files_that_must_be_refused(tmp_path, name, what):
    # The damaged copies come without configuration and vocabulary.
    given = {"num_attention_heads": 4, "vocab": SHARED / "bert" / "vocab.txt"} if name.startswith("bad/") else {}
    assert what in refusal(SHARED / name, tmp_path / "out", error=EncoderError, **given)


@needs_shared
def test_configurations_of_electra_as_they_circulate(tmp_path):
    folder = SHARED / "electra_small"
    convert(folder, tmp_path / "expected")
    variants = sorted((folder / "config_variants").iterdir())
    assert len(variants) >= 6
    for variant in variants:
        convert(folder, tmp_path / variant.stem, config=variant)
        assert config_of(tmp_path / variant.stem) == config_of(tmp_path / "expected")
