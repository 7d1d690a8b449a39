"""The variables of the BERT, ELECTRA and ALBERT codes, and the parameters they become in transformers.

Each table maps a variable, without the root scope, to a parameter and the variable's shape; `{}` stands for a
number (layer; group and inner group in Google's ALBERT). A variable named `kernel` is [in, out] and becomes
the transpose, as torch's Linear wants it; nothing else is. Two rows with one parameter are multiplied.

Letters of shapes: V vocabulary, P positions, Y token types, E embedding width, D hidden width, F feed-forward
width.

The names are those of google-research/bert, google-research/electra, google-research/albert and
brightmart/albert_zh (its `modeling_google.py` writes as Google, its `modeling.py` as `ALBERT_BRIGHTMART`).
"""

from dataclasses import dataclass, field

Rows = dict[str, tuple[str, str]]

_EMBEDDINGS: Rows = {
    "embeddings/word_embeddings": ("embeddings.word_embeddings.weight", "VE"),
    "embeddings/position_embeddings": ("embeddings.position_embeddings.weight", "PE"),
    "embeddings/token_type_embeddings": ("embeddings.token_type_embeddings.weight", "YE"),
    "embeddings/LayerNorm/gamma": ("embeddings.LayerNorm.weight", "E"),
    "embeddings/LayerNorm/beta": ("embeddings.LayerNorm.bias", "E"),
}
_LAYER: Rows = {
    "encoder/layer_{}/attention/self/query/kernel": ("encoder.layer.{}.attention.self.query.weight", "DD"),
    "encoder/layer_{}/attention/self/query/bias": ("encoder.layer.{}.attention.self.query.bias", "D"),
    "encoder/layer_{}/attention/self/key/kernel": ("encoder.layer.{}.attention.self.key.weight", "DD"),
    "encoder/layer_{}/attention/self/key/bias": ("encoder.layer.{}.attention.self.key.bias", "D"),
    "encoder/layer_{}/attention/self/value/kernel": ("encoder.layer.{}.attention.self.value.weight", "DD"),
    "encoder/layer_{}/attention/self/value/bias": ("encoder.layer.{}.attention.self.value.bias", "D"),
    "encoder/layer_{}/attention/output/dense/kernel": (
        "encoder.layer.{}.attention.output.dense.weight",
        "DD",
    ),
    "encoder/layer_{}/attention/output/dense/bias": ("encoder.layer.{}.attention.output.dense.bias", "D"),
    "encoder/layer_{}/attention/output/LayerNorm/gamma": (
        "encoder.layer.{}.attention.output.LayerNorm.weight",
        "D",
    ),
    "encoder/layer_{}/attention/output/LayerNorm/beta": (
        "encoder.layer.{}.attention.output.LayerNorm.bias",
        "D",
    ),
    "encoder/layer_{}/intermediate/dense/kernel": ("encoder.layer.{}.intermediate.dense.weight", "DF"),
    "encoder/layer_{}/intermediate/dense/bias": ("encoder.layer.{}.intermediate.dense.bias", "F"),
    "encoder/layer_{}/output/dense/kernel": ("encoder.layer.{}.output.dense.weight", "FD"),
    "encoder/layer_{}/output/dense/bias": ("encoder.layer.{}.output.dense.bias", "D"),
    "encoder/layer_{}/output/LayerNorm/gamma": ("encoder.layer.{}.output.LayerNorm.weight", "D"),
    "encoder/layer_{}/output/LayerNorm/beta": ("encoder.layer.{}.output.LayerNorm.bias", "D"),
}
_GROUP = "encoder/transformer/group_{}/inner_group_{}"
_ALBERT_LAYER = "encoder.albert_layer_groups.{}.albert_layers.{}"
_GOOGLE_LAYER: Rows = {
    f"{_GROUP}/attention_1/self/query/kernel": (f"{_ALBERT_LAYER}.attention.query.weight", "DD"),
    f"{_GROUP}/attention_1/self/query/bias": (f"{_ALBERT_LAYER}.attention.query.bias", "D"),
    f"{_GROUP}/attention_1/self/key/kernel": (f"{_ALBERT_LAYER}.attention.key.weight", "DD"),
    f"{_GROUP}/attention_1/self/key/bias": (f"{_ALBERT_LAYER}.attention.key.bias", "D"),
    f"{_GROUP}/attention_1/self/value/kernel": (f"{_ALBERT_LAYER}.attention.value.weight", "DD"),
    f"{_GROUP}/attention_1/self/value/bias": (f"{_ALBERT_LAYER}.attention.value.bias", "D"),
    f"{_GROUP}/attention_1/output/dense/kernel": (f"{_ALBERT_LAYER}.attention.dense.weight", "DD"),
    f"{_GROUP}/attention_1/output/dense/bias": (f"{_ALBERT_LAYER}.attention.dense.bias", "D"),
    f"{_GROUP}/LayerNorm/gamma": (f"{_ALBERT_LAYER}.attention.LayerNorm.weight", "D"),
    f"{_GROUP}/LayerNorm/beta": (f"{_ALBERT_LAYER}.attention.LayerNorm.bias", "D"),
    f"{_GROUP}/ffn_1/intermediate/dense/kernel": (f"{_ALBERT_LAYER}.ffn.weight", "DF"),
    f"{_GROUP}/ffn_1/intermediate/dense/bias": (f"{_ALBERT_LAYER}.ffn.bias", "F"),
    # Nested so in Google's code: the output lies within the scope of the intermediate layer.
    f"{_GROUP}/ffn_1/intermediate/output/dense/kernel": (f"{_ALBERT_LAYER}.ffn_output.weight", "FD"),
    f"{_GROUP}/ffn_1/intermediate/output/dense/bias": (f"{_ALBERT_LAYER}.ffn_output.bias", "D"),
    f"{_GROUP}/LayerNorm_1/gamma": (f"{_ALBERT_LAYER}.full_layer_layer_norm.weight", "D"),
    f"{_GROUP}/LayerNorm_1/beta": (f"{_ALBERT_LAYER}.full_layer_layer_norm.bias", "D"),
}
_SHARED = "encoder.albert_layer_groups.0.albert_layers.0"
_BRIGHTMART: Rows = {
    # word = factor 1 · factor 2: folded into one table, since AlbertModel projects after the sum, not before.
    "embeddings/word_embeddings": ("embeddings.word_embeddings.weight", "VE"),
    "embeddings/word_embeddings_2": ("embeddings.word_embeddings.weight", "ED"),
    "embeddings/position_embeddings": ("embeddings.position_embeddings.weight", "PD"),
    "embeddings/token_type_embeddings": ("embeddings.token_type_embeddings.weight", "YD"),
    "embeddings/LayerNorm/gamma": ("embeddings.LayerNorm.weight", "D"),
    "embeddings/LayerNorm/beta": ("embeddings.LayerNorm.bias", "D"),
    "encoder/layer_shared/attention/self/query/kernel": (f"{_SHARED}.attention.query.weight", "DD"),
    "encoder/layer_shared/attention/self/query/bias": (f"{_SHARED}.attention.query.bias", "D"),
    "encoder/layer_shared/attention/self/key/kernel": (f"{_SHARED}.attention.key.weight", "DD"),
    "encoder/layer_shared/attention/self/key/bias": (f"{_SHARED}.attention.key.bias", "D"),
    "encoder/layer_shared/attention/self/value/kernel": (f"{_SHARED}.attention.value.weight", "DD"),
    "encoder/layer_shared/attention/self/value/bias": (f"{_SHARED}.attention.value.bias", "D"),
    "encoder/layer_shared/attention/output/dense/kernel": (f"{_SHARED}.attention.dense.weight", "DD"),
    "encoder/layer_shared/attention/output/dense/bias": (f"{_SHARED}.attention.dense.bias", "D"),
    "encoder/layer_shared/attention/output/LayerNorm/gamma": (f"{_SHARED}.attention.LayerNorm.weight", "D"),
    "encoder/layer_shared/attention/output/LayerNorm/beta": (f"{_SHARED}.attention.LayerNorm.bias", "D"),
    "encoder/layer_shared/intermediate/dense/kernel": (f"{_SHARED}.ffn.weight", "DF"),
    "encoder/layer_shared/intermediate/dense/bias": (f"{_SHARED}.ffn.bias", "F"),
    "encoder/layer_shared/output/dense/kernel": (f"{_SHARED}.ffn_output.weight", "FD"),
    "encoder/layer_shared/output/dense/bias": (f"{_SHARED}.ffn_output.bias", "D"),
    "encoder/layer_shared/output/LayerNorm/gamma": (f"{_SHARED}.full_layer_layer_norm.weight", "D"),
    "encoder/layer_shared/output/LayerNorm/beta": (f"{_SHARED}.full_layer_layer_norm.bias", "D"),
}
MAPPING_IN = "encoder.embedding_hidden_mapping_in"
"""AlbertModel always has this projection; where the original has none it is an identity that stays frozen."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """One way in which TensorFlow code of that time named its variables.

    Attributes:
        name: as people call it.
        sign: how names begin that only this family has.
        root: the scope that all its encoder variables stand in.
        model_type: transformers' name of the model.
        architecture: transformers' class.
        gelu: what the original code computes as "gelu", in transformers' words.
        rows: variables that must be there.
        optional: groups of variables that may be absent, each group as a whole.
    """

    name: str
    sign: str
    root: str
    model_type: str
    architecture: str
    gelu: str
    rows: Rows
    optional: tuple[Rows, ...] = field(default=())


# Looked through in this order.
FAMILIES = (
    Family(
        name="ELECTRA",
        sign="electra/encoder/layer_",
        root="electra/",
        model_type="electra",
        architecture="ElectraModel",
        gelu="gelu",
        rows=_EMBEDDINGS | _LAYER,
        optional=(
            {
                "embeddings_project/kernel": ("embeddings_project.weight", "ED"),
                "embeddings_project/bias": ("embeddings_project.bias", "D"),
            },
        ),
    ),
    Family(
        name="ALBERT (brightmart)",
        sign="bert/encoder/layer_shared/",
        root="bert/",
        model_type="albert",
        architecture="AlbertModel",
        gelu="gelu_new",
        rows=_BRIGHTMART,
        optional=({"pooler/dense/kernel": ("pooler.weight", "DD"), "pooler/dense/bias": ("pooler.bias", "D")},),
    ),
    Family(
        name="ALBERT (Google)",
        sign="bert/encoder/transformer/group_",
        root="bert/",
        model_type="albert",
        architecture="AlbertModel",
        gelu="gelu_new",
        rows=_EMBEDDINGS | _GOOGLE_LAYER,
        optional=(
            {
                "encoder/embedding_hidden_mapping_in/kernel": (f"{MAPPING_IN}.weight", "ED"),
                "encoder/embedding_hidden_mapping_in/bias": (f"{MAPPING_IN}.bias", "D"),
            },
            {"pooler/dense/kernel": ("pooler.weight", "DD"), "pooler/dense/bias": ("pooler.bias", "D")},
        ),
    ),
    Family(
        name="BERT",
        sign="bert/encoder/layer_",
        root="bert/",
        model_type="bert",
        architecture="BertModel",
        gelu="gelu_new",
        rows=_EMBEDDINGS | _LAYER,
        optional=(
            {
                "pooler/dense/kernel": ("pooler.dense.weight", "DD"),
                "pooler/dense/bias": ("pooler.dense.bias", "D"),
            },
        ),
    ),
)

# How a name ends or begins -> why it is left out. Endings come first: a head has optimizer slots too.
DROPPED_ENDINGS = {
    "/adam_m": "optimizer slots",
    "/adam_v": "optimizer slots",
    "/lamb_m": "optimizer slots",
    "/lamb_v": "optimizer slots",
    "/Adam": "optimizer slots",
    "/Adam_1": "optimizer slots",
    "/ExponentialMovingAverage": "moving averages of the optimizer",
}
DROPPED_BEGINNINGS = {
    "cls/": "of pretraining heads",
    "discriminator_predictions/": "of pretraining heads",
    "generator/": "of ELECTRA's generator",
    "generator_predictions/": "of ELECTRA's generator",
    "task_specific/": "of a fine-tuned head",
}
DROPPED_NAMES = {
    "global_step": "training counters",
    "beta1_power": "training counters",
    "beta2_power": "training counters",
    "output_weights": "of a fine-tuned head",
    "output_bias": "of a fine-tuned head",
}
