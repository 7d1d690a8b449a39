import json
from pathlib import Path

import pytest

from fenlei.errors import EncoderError

CHECKPOINTS = Path(__file__).resolve().parents[1] / "checkpoints"


@pytest.fixture
def run(capsys):
    """A function: what `fenlei convert …` prints; a FenleiError goes through."""
    import typer

    from fenlei.cli.convert import convert

    app = typer.Typer(add_completion=False)
    app.command()(convert)

    def run(*arguments):
        app([str(argument) for argument in arguments], standalone_mode=False)
        return capsys.readouterr().out

    return run


def test_the_report_is_printed(run, tmp_path):
    out = run(CHECKPOINTS / "albert_google", tmp_path / "out")
    lines = dict(line.split(None, 1) for line in out.splitlines())
    assert lines["recognised"] == "ALBERT (Google), 2 x 2 shared layers, with pooler, embeddings of 8 projected to 16"
    assert lines["parameters"] == "10,016"
    assert lines["wrote"] == str(tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").exists()


def test_json_names_every_variable(run, tmp_path):
    report = json.loads(run(CHECKPOINTS / "bert", tmp_path / "out", "--json"))
    assert len(report["used"]) == 39
    assert len(report["dropped"]["optimizer slots"]) == 92
    assert report["config"]["hidden_act"] == "gelu_new"


def test_options_reach_the_conversion(run, tmp_path):
    (tmp_path / "in").mkdir()
    for file in (CHECKPOINTS / "albert_brightmart").iterdir():
        if file.suffix not in (".json", ".txt"):
            (tmp_path / "in" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(EncoderError, match="does not state num_hidden_layers"):
        run(tmp_path / "in", tmp_path / "out")
    vocab = CHECKPOINTS / "albert_brightmart" / "vocab.txt"
    stated = ("--num-attention-heads", 2, "--num-hidden-layers", 5, "--vocab", vocab)
    run(tmp_path / "in", tmp_path / "out", *stated)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["num_attention_heads"], config["num_hidden_layers"]) == (2, 5)
    given = CHECKPOINTS / "albert_brightmart" / "albert_config_tiny.json"
    run(tmp_path / "in", tmp_path / "out", "--config", given, "--vocab", vocab, "--overwrite")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["num_attention_heads"], config["num_hidden_layers"]) == (4, 3)
