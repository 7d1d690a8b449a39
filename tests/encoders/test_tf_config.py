import dataclasses
import json

import pytest

from fenlei.encoders.tf_bundle import open_bundle
from fenlei.encoders.tf_config import find_config, make_config, read_config
from fenlei.encoders.tf_recognise import recognise
from fenlei.errors import EncoderError, FenleiError, SettingsError


@pytest.fixture
def recognised(checkpoints):
    """A function: what a small checkpoint was recognised as, and its own configuration."""

    def read(name):
        folder = checkpoints / name
        (index,) = folder.glob("*.index")
        shapes = {name: entry.shape for name, entry in open_bundle(index.with_suffix("")).variables.items()}
        found = recognise(shapes, name)
        return found, read_config(find_config(folder, found))

    return read


def made(recognised, given, *, heads=None, layers=None):
    return make_config(recognised, given, "bert_config.json", num_attention_heads=heads, num_hidden_layers=layers)


def refusal(*arguments, error=FenleiError, **options):
    with pytest.raises(error) as caught:
        made(*arguments, **options)
    return f"{caught.value} | {caught.value.hint}"


@pytest.mark.parametrize(
    ("name", "activation", "dropout"),
    [
        ("bert", "gelu_new", 0.1),
        ("electra", "gelu", 0.1),
        ("albert_google", "gelu_new", 0.0),
        ("albert_brightmart", "gelu_new", 0.0),
    ],
)
def test_a_complete_configuration(recognised, name, activation, dropout):
    config, notes = made(*recognised(name))
    assert notes == []
    assert config["hidden_act"] == activation
    assert config["layer_norm_eps"] == 1e-12
    assert config["hidden_dropout_prob"] == config["attention_probs_dropout_prob"] == dropout
    assert config["num_attention_heads"] == 4


def test_groups_are_counted_and_embeddings_folded(recognised):
    config, _ = made(*recognised("albert_google"))
    assert (config["num_hidden_groups"], config["inner_group_num"], config["num_hidden_layers"]) == (2, 2, 4)
    assert config["embedding_size"] == 8
    assert made(*recognised("albert_brightmart"))[0]["embedding_size"] == 16


@pytest.mark.parametrize(
    "key",
    [
        "vocab_size",
        "type_vocab_size",
        "max_position_embeddings",
        "intermediate_size",
        "embedding_size",
        "num_hidden_layers",
    ],
)
def test_what_the_weights_show_is_read_from_them(recognised, key):
    found, given = recognised("electra")
    config, _ = made(found, given)
    without = {name: value for name, value in given.items() if name != key}
    repaired, notes = made(found, without)
    assert repaired == config
    assert notes == [f"{key} is not stated; the weights show {config[key]}"]
    repaired, notes = made(found, given | {key: 7})
    assert repaired == config
    assert notes == [f"{key} 7 contradicts the weights, which show {config[key]}"]


def test_heads_are_asked_for(recognised):
    found, given = recognised("bert")
    del given["num_attention_heads"]
    message = refusal(found, given, error=EncoderError)
    assert "bert_config.json does not state num_attention_heads" in message
    assert "fenlei convert SOURCE OUT --num-attention-heads N" in message
    assert made(found, given, heads=2)[0]["num_attention_heads"] == 2


def test_no_configuration_at_all(recognised):
    found, _ = recognised("bert")
    config, notes = made(found, {}, heads=4)
    assert (config["num_hidden_layers"], config["hidden_dropout_prob"]) == (2, 0.1)
    assert [note.split(" ")[0] for note in notes] == [
        "hidden_act",
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
    ]


def test_the_heads_of_a_configuration_for_another_width_are_not_believed(recognised):
    found, given = recognised("bert")
    given["hidden_size"] = 32
    assert "does not state num_attention_heads for these weights" in refusal(found, given)
    config, notes = made(found, given, heads=4)
    assert config["hidden_size"] == 16
    assert "hidden_size 32 contradicts the weights, which show 16" in notes


def test_the_depth_of_an_albert_is_asked_for(recognised):
    found, given = recognised("albert_brightmart")
    del given["num_hidden_layers"]
    message = refusal(found, given, error=EncoderError)
    assert "does not state num_hidden_layers for these weights, and the layers of an ALBERT are shared" in message
    assert made(found, given, layers=6)[0]["num_hidden_layers"] == 6


def test_the_caller_overrules_the_file_and_that_is_told(recognised):
    config, notes = made(*recognised("albert_google"), heads=2, layers=2)
    assert (config["num_attention_heads"], config["num_hidden_layers"]) == (2, 2)
    assert notes == [
        "num_attention_heads 4 is overruled by the caller: 2",
        "num_hidden_layers 4 is overruled by the caller: 2",
    ]


def test_the_caller_cannot_overrule_the_weights(recognised):
    assert "--num-hidden-layers is 3; the weights have 2 layers" in refusal(
        *recognised("bert"), layers=3, error=SettingsError
    )
    assert "--num-attention-heads is 0; it must be 1 or more" in refusal(
        *recognised("bert"), heads=0, error=SettingsError
    )


def test_heads_that_cannot_be(recognised):
    assert "3 attention heads do not divide a width of 16" in refusal(*recognised("bert"), heads=3)
    found, given = recognised("bert")
    for value in ("4", 4.0, True, -1):
        given["num_attention_heads"] = value
        assert f"num_attention_heads is {value!r}; it must be a whole number" in refusal(found, given)


@pytest.mark.parametrize("name", ["albert_brightmart", "bert"])
def test_pre_layer_norm_is_refused_by_name(recognised, name):
    found, given = recognised(name)
    message = refusal(found, given | {"ln_type": "preln"}, error=EncoderError)
    assert "bert_config.json: ln_type 'preln' is a pre-LN model" in message
    assert made(found, given | {"ln_type": None})[0] == made(found, given)[0]


def test_activations(recognised):
    found, given = recognised("bert")
    # ERNIE 1.0 in TensorFlow's form says relu.
    for stated, taken in (("relu", "relu"), ("gelu_new", "gelu_new"), ("tanh", "tanh")):
        assert made(found, given | {"hidden_act": stated})[0]["hidden_act"] == taken
    message = refusal(found, given | {"hidden_act": "mish"})
    assert "hidden_act is 'mish'; accepted are gelu, gelu_new, relu, tanh" in message


def test_the_epsilon_is_the_codes_own(recognised):
    found, given = recognised("electra")
    config, notes = made(found, given | {"layer_norm_eps": 1e-5})
    assert config["layer_norm_eps"] == 1e-12
    assert notes == ["layer_norm_eps 1e-05 is not what the TensorFlow code uses: 1e-12"]


@pytest.mark.parametrize("rate", [1.0, -0.1, "0.1"])
def test_dropout_that_cannot_be(recognised, rate):
    found, given = recognised("bert")
    assert f"hidden_dropout_prob is {rate!r}; it must be a number" in refusal(
        found, given | {"hidden_dropout_prob": rate}
    )


def test_depths_at_which_transformers_groups_otherwise(recognised):
    found, given = recognised("albert_google")
    assert "1 layers cannot be spread over 2 groups" in refusal(found, given, layers=1)


def test_rounding_of_groups(recognised):
    found, given = recognised("albert_google")
    found = dataclasses.replace(found, numbers=(14, 1))
    assert "transformers cannot spread 18 layers over 14 groups as TensorFlow did" in refusal(found, given, layers=18)


# --- finding the file ---


def test_any_name_but_the_generators(copied, recognised):
    found, _ = recognised("electra")
    folder = copied("electra")
    assert find_config(folder, found).name == "small_discriminator_config.json"
    (folder / "small_discriminator_config.json").rename(folder / "whatever.json")
    (folder / "labels.json").write_text("[1, 2]")
    (folder / "notes.json").write_text("not JSON")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    (folder / "._whatever.json").write_bytes(b"\0\5\x16\7")
    assert find_config(folder, found).name == "whatever.json"
    (folder / "whatever.json").unlink()
    assert find_config(folder, found) is None


def test_of_several_files_the_one_that_fits(copied, recognised):
    found, given = recognised("bert")
    folder = copied("bert")
    (folder / "a_config.json").write_text(json.dumps(given | {"hidden_size": 1024}))
    (folder / "config.json").write_text(json.dumps(given | {"model_type": "bert"}))
    assert find_config(folder, found).name == "bert_config.json"
    (folder / "config.json").write_text(json.dumps(given | {"num_attention_heads": 2}))
    with pytest.raises(EncoderError, match=r"several configurations that fit: bert_config.json, config.json") as caught:
        find_config(folder, found)
    assert caught.value.hint == "say which one with --config"
    for name in ("bert_config.json", "config.json"):
        (folder / name).unlink()
    assert find_config(folder, found).name == "a_config.json"


def test_files_that_are_no_configuration(tmp_path, checkpoints, recognised):
    path = tmp_path / "bert_config.json"
    with pytest.raises(EncoderError, match=r"bert_config.json cannot be read: No such file"):
        read_config(path)
    path.write_text("{,}")
    with pytest.raises(EncoderError, match=r"bert_config.json is not valid JSON: .* line 1"):
        find_config(tmp_path, recognised("bert")[0])
    path.write_text("[]")
    with pytest.raises(EncoderError, match="is no JSON object"):
        read_config(path)
    path.write_bytes(b'\xef\xbb\xbf{"hidden_size": 16}')
    assert read_config(path) == {"hidden_size": 16}
