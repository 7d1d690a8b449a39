"""Converted checkpoints compute, layer by layer, what TensorFlow computed from the originals."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoModel

from fenlei.encoders.convert import convert
from fenlei.encoders.tf_bundle import open_bundle

OWN = Path(__file__).resolve().parents[1] / "checkpoints"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "checkpoints"
MODELS = ("bert", "electra", "electra_base", "albert_google", "albert_google_no_mapping", "albert_brightmart")
EPSILON = ("epsilon/bert", "epsilon/electra", "epsilon/albert_google")
OFFICIAL = (
    "bert",
    "bert_with_slots",
    "bert_wwm_like",
    "roberta_wwm_like_no_cls",
    "bert_encoder_only",
    "electra_small",
    "albert_google",
    "albert_google_no_mapping",
    "albert_brightmart",
)
# Of values around 1; every wrong reading of weights, activation or mask differs by more than 1e-4, and a
# wrong epsilon too where the inputs of LayerNorm are tiny. The official epsilon cases have tiny outputs too.
TOLERANCE, EPSILON_TOLERANCE = 2e-5, 1e-6


@torch.inference_mode()
def outputs(folder, reference, **changes):
    """Embeddings (where they have the layers' width) and every layer, and the pooled output or None."""
    model = AutoModel.from_pretrained(folder, **changes).eval()
    states = []
    encoder = model.encoder
    layers = encoder.layer if hasattr(encoder, "layer") else encoder.albert_layer_groups
    for layer in layers:
        layer.register_forward_hook(
            lambda _, __, out: states.append((out[0] if isinstance(out, tuple) else out).numpy())
        )
    names = {"input_ids": "input_ids", "token_type_ids": "segment_ids", "attention_mask": "input_mask"}
    inputs = {name: torch.from_numpy(reference[key]).long() for name, key in names.items()}
    result = model(**inputs, output_hidden_states=True)
    pooled = getattr(result, "pooler_output", None)
    return [result.hidden_states[0].numpy(), *states], None if pooled is None else pooled.numpy()


def difference(found, expected):
    assert len(found) == len(expected)
    return max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", [*MODELS, *EPSILON])
def test_own_checkpoints(tmp_path, name):
    report = convert(OWN / name, tmp_path / "out")
    reference = np.load(OWN / name / "expected.npz")
    states, pooled = outputs(tmp_path / "out", reference)
    assert difference(states, reference["states"]) < TOLERANCE
    if report.family != "ELECTRA":
        assert np.abs(pooled - reference["pooled"]).max() < TOLERANCE


@pytest.mark.parametrize("name", EPSILON)
@pytest.mark.parametrize("epsilon", [1e-7, 1e-11])
def test_the_epsilon_checkpoints_would_show_another_epsilon(tmp_path, name, epsilon):
    convert(OWN / name, tmp_path / "out")
    reference = np.load(OWN / name / "expected.npz")
    states, _ = outputs(tmp_path / "out", reference, layer_norm_eps=epsilon)
    assert difference(states, reference["states"]) > 1e-4


@pytest.mark.parametrize(("name", "wrong"), [("bert", "gelu"), ("electra", "gelu_new"), ("albert_brightmart", "gelu")])
def test_the_tolerance_would_show_the_other_gelu(tmp_path, name, wrong):
    convert(OWN / name, tmp_path / "out")
    reference = np.load(OWN / name / "expected.npz")
    assert difference(outputs(tmp_path / "out", reference, hidden_act=wrong)[0], reference["states"]) > 5 * TOLERANCE


@pytest.mark.parametrize("name", [*OFFICIAL, "eps/bert", "eps/albert_google", "eps/electra_small"])
def test_the_official_code(tmp_path, name):
    if not SHARED.is_dir():
        pytest.skip("the outputs of the official TensorFlow 1.15 code lie in ../shared, which is not here")
    report = convert(SHARED / name, tmp_path / "out")
    reference = np.load(SHARED / name / "expected.npz")
    states, pooled = outputs(tmp_path / "out", reference)
    tolerance = EPSILON_TOLERANCE if name.startswith("eps/") else TOLERANCE
    assert difference(states[1:], reference["all_layers"]) < tolerance
    assert np.abs(states[-1] - reference["sequence_output"]).max() < tolerance
    embedded = "projected_embedding_output" if report.family == "ELECTRA" else "embedding_output"
    if reference[embedded].shape == states[0].shape:
        assert np.abs(states[0] - reference[embedded]).max() < tolerance
    if pooled is not None and name != "bert_encoder_only":
        assert np.abs(pooled - reference["pooled_output"]).max() < tolerance


@pytest.mark.parametrize("name", MODELS)
def test_tensors_are_bit_equal(tmp_path, name):
    report = convert(OWN / name, tmp_path / "out")
    weights = load_file(tmp_path / "out" / "model.safetensors")
    bundle = open_bundle(Path(report.source))
    stored = {variable: bundle.read(variable) for variable in report.used}
    if report.family == "ALBERT (brightmart)":
        factors = [stored.pop(f"bert/embeddings/{word}") for word in ("word_embeddings", "word_embeddings_2")]
        np.testing.assert_array_equal(weights.pop("embeddings.word_embeddings.weight"), factors[0] @ factors[1])
    if report.added:
        np.testing.assert_array_equal(weights.pop("encoder.embedding_hidden_mapping_in.weight"), np.eye(16))
        assert not weights.pop("encoder.embedding_hidden_mapping_in.bias").any()

    def fingerprints(arrays):
        return sorted((array.shape, array.tobytes()) for array in arrays)

    as_linear = [array.T if variable.endswith("kernel") else array for variable, array in stored.items()]
    assert fingerprints(weights.values()) == fingerprints(as_linear)
