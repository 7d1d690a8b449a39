import pytest

from fenlei.encoders.tf_bundle import open_bundle
from fenlei.encoders.tf_names import FAMILIES
from fenlei.encoders.tf_recognise import recognise
from fenlei.errors import EncoderError


@pytest.fixture
def shapes(checkpoints):
    """A function: variable -> shape of a small checkpoint."""

    def read(name):
        (index,) = (checkpoints / name).glob("*.index")
        return {name: entry.shape for name, entry in open_bundle(index.with_suffix("")).variables.items()}

    return read


def refusal(variables):
    with pytest.raises(EncoderError) as caught:
        recognise(variables, "model.ckpt")
    return f"{caught.value} | {caught.value.hint}"


@pytest.mark.parametrize(
    ("name", "family", "numbers", "widths"),
    [
        ("bert", "BERT", (2,), (16, 16)),
        ("epsilon/bert", "BERT", (2,), (16, 16)),
        ("electra", "ELECTRA", (2,), (8, 16)),
        ("electra_base", "ELECTRA", (2,), (16, 16)),
        ("albert_google", "ALBERT (Google)", (2, 2), (8, 16)),
        ("albert_google_no_mapping", "ALBERT (Google)", (1, 1), (16, 16)),
        ("albert_brightmart", "ALBERT (brightmart)", (), (8, 16)),
    ],
)
def test_family_and_sizes(shapes, name, family, numbers, widths):
    recognised = recognise(shapes(name), name)
    assert recognised.family.name == family
    assert recognised.numbers == numbers
    assert (recognised.sizes["E"], recognised.sizes["D"]) == widths
    assert recognised.sizes | {"V": 60, "P": 24, "Y": 2, "F": 32} == recognised.sizes
    assert recognised.folded == (family == "ALBERT (brightmart)")


@pytest.mark.parametrize("name", ["bert", "electra", "albert_google", "albert_brightmart"])
def test_every_variable_is_used_or_dropped_with_a_reason(shapes, name):
    variables = shapes(name)
    recognised = recognise(variables, name)
    used = [variable for names in recognised.parameters.values() for variable in names]
    dropped = [variable for names in recognised.dropped.values() for variable in names]
    assert sorted(used + dropped) == sorted(variables)


def test_reasons_for_dropping(shapes):
    extra = {
        "output_weights": (5, 16),
        "bert/pooler/dense/kernel/Adam_1": (16, 16),
        "bert/pooler/dense/kernel/ExponentialMovingAverage": (16, 16),
        "beta1_power": (),
        "task_specific/news/logits/kernel": (16, 3),
    }
    dropped = recognise(shapes("bert") | extra, "bert").dropped
    assert {reason: len(names) for reason, names in dropped.items()} == {
        "optimizer slots": 93,
        "of pretraining heads": 7,
        "training counters": 2,
        "of a fine-tuned head": 2,
        "moving averages of the optimizer": 1,
    }


def test_electras_generator_is_not_picked_up(shapes):
    recognised = recognise(shapes("electra"), "electra")
    assert len(recognised.dropped["of ELECTRA's generator"]) == 23
    assert all(names[0].startswith("electra/") for names in recognised.parameters.values())


def test_a_generator_alone(shapes):
    variables = {name: shape for name, shape in shapes("electra").items() if "electra/encoder" not in name}
    assert "model.ckpt holds only ELECTRA's generator" in refusal(variables)


def test_other_models():
    assert "is no encoder that fenlei knows: it holds a, b, c, d and 1 more" in refusal(dict.fromkeys("abcde", (1,)))
    variables = {"_CHECKPOINTABLE_OBJECT_GRAPH": (), "model/layer-0/kernel": (2, 2)}
    assert "was saved by Keras or TensorFlow 2 code as a graph of objects" in refusal(variables)


def test_an_unknown_name_is_refused(shapes):
    stray = "bert/encoder/layer_0/attention/self/relative/kernel"
    assert f"model.ckpt: {stray} do not belong to BERT as fenlei knows it" in refusal(shapes("bert") | {stray: (1,)})
    assert "layer_01" in refusal(shapes("bert") | {"bert/encoder/layer_01/output/dense/bias": (16,)})
    assert "electra/" in refusal(shapes("bert") | {"electra/embeddings/LayerNorm/beta": (16,)})


def test_a_missing_variable_is_refused(shapes):
    variables = shapes("bert")
    del variables["bert/encoder/layer_1/output/dense/bias"]
    message = refusal(variables)
    assert "BERT needs bert/encoder/layer_1/output/dense/bias, which are not there" in message
    assert "the checkpoint is incomplete" in message


def test_half_a_pooler_is_refused(shapes):
    variables = shapes("bert")
    del variables["bert/pooler/dense/bias"]
    assert "BERT needs bert/pooler/dense/bias" in refusal(variables)


def test_no_pooler_is_a_variant(shapes):
    variables = {name: shape for name, shape in shapes("bert").items() if "pooler" not in name}
    assert not any("pooler" in name for name in recognise(variables, "bert").parameters)


def test_a_model_with_relative_positions(shapes):
    variables = shapes("epsilon/bert")
    del variables["bert/embeddings/position_embeddings"]
    assert "a model without position embeddings, such as NEZHA or RoFormer, is not read" in refusal(variables)


def test_a_missing_layer(shapes):
    variables = {name.replace("layer_1/", "layer_200/"): shape for name, shape in shapes("epsilon/bert").items()}
    assert "layers are missing; there are 0, 200" in refusal(variables)


def test_contradicting_shapes(shapes):
    bias = "bert/encoder/layer_1/output/dense/bias"
    message = refusal(shapes("bert") | {bias: (17,)})
    assert f"{bias} has shape [17], which contradicts" in message
    assert "16 is expected instead of 17" in message
    kernel = "bert/encoder/layer_0/intermediate/dense/kernel"
    assert f"{kernel} has shape [4, 4, 16]; 2 dimensions are expected" in refusal(shapes("bert") | {kernel: (4, 4, 16)})


def test_an_empty_dimension(shapes):
    types = "bert/embeddings/token_type_embeddings"
    assert f"{types} is empty" in refusal(shapes("epsilon/bert") | {types: (0, 16)})


def test_widths_that_differ_without_a_projection(shapes):
    variables = {name: shape for name, shape in shapes("electra").items() if "_project" not in name}
    assert "the embeddings are 8 wide, the layers 16, and no projection lies between" in refusal(variables)


def test_the_tables_name_each_parameter_of_transformers_classes():
    import transformers

    for family in FAMILIES:
        rows = dict(family.rows)
        for group in family.optional:
            rows |= group
        made = {target.format(0, 0) for target, _ in rows.values()}
        widths = {"embedding_size": 16 if family.name == "ALBERT (brightmart)" else 8}
        config = transformers.AutoConfig.for_model(
            family.model_type,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            vocab_size=9,
            **({} if family.model_type == "bert" else widths),
        )
        wanted = set(getattr(transformers, family.architecture)(config).state_dict())
        mapping = {"encoder.embedding_hidden_mapping_in.weight", "encoder.embedding_hidden_mapping_in.bias"}
        assert made == wanted - (mapping if family.name == "ALBERT (brightmart)" else set())
