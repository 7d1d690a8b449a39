"""Makes the small checkpoints in this folder with TensorFlow, and what TensorFlow computes from them.

    python tests/checkpoints/make.py        (TensorFlow 2.15; the tests themselves need none)

The forward pass is written here from the papers and the official codes' formulas, in TensorFlow's own
operations, and shares nothing with fenlei. Values follow from the variables' names, so that the files come
out the same each time.
"""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import tensorflow as tf

HERE = Path(__file__).parent
V, E, D, F, P, Y, HEADS = 60, 8, 16, 32, 24, 2, 4
TOKENS = [
    *("[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ai", "##5", "##号"),
    *"，。！？0123456789",
    *"今天气真好我们去公园跑步大众汽车召回部分型主可免费更换电池新闻体育财经科技",
]
v1 = tf.compat.v1


def value(name, shape, tiny):
    """Values by the variable's name; `tiny` makes LayerNorm's inputs small, so that its epsilon counts."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    drawn = random.standard_normal(shape).astype(np.float32)
    if name.endswith("gamma"):
        inner = any(part in name for part in ("attention", "embeddings", "group_0/LayerNorm/"))
        return (1 + 0.2 * drawn) * (1e-6 if tiny and inner else 1)
    if name.endswith("kernel"):
        return drawn * (1.5 / math.sqrt(shape[0]))
    return drawn * (1e-6 if tiny else 0.5)


class Model:
    """The variables of one graph, made when they are asked for."""

    def __init__(self, tiny):
        self.tiny = tiny
        self.made = {}

    def get(self, name, *shape):
        if name not in self.made:
            initial = value(name, shape, self.tiny)
            self.made[name] = v1.get_variable(name, initializer=tf.constant(initial, tf.float32))
        return self.made[name]

    def dense(self, x, name, width):
        return tf.matmul(x, self.get(f"{name}/kernel", x.shape[-1], width)) + self.get(f"{name}/bias", width)

    def norm(self, x, name):
        width = x.shape[-1]
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        scaled = (x - mean) * tf.math.rsqrt(variance + 1e-12)
        return scaled * self.get(f"{name}/gamma", width) + self.get(f"{name}/beta", width)

    def attention(self, x, mask, name, width, heads):
        def split(t):
            return tf.transpose(tf.reshape(t, [*t.shape[:-1], heads, width // heads]), [0, 2, 1, 3])

        query, key, values = (split(self.dense(x, f"{name}/{part}", width)) for part in ("query", "key", "value"))
        scores = tf.matmul(query, key, transpose_b=True) / math.sqrt(width // heads)
        weights = tf.nn.softmax(scores + (1 - mask)[:, None, None, :] * -10000.0)
        return tf.reshape(tf.transpose(tf.matmul(weights, values), [0, 2, 1, 3]), x.shape)

    def bert_layer(self, x, mask, scope, gelu, width, heads, inner):
        attended = self.attention(x, mask, f"{scope}/attention/self", width, heads)
        attended = self.dense(attended, f"{scope}/attention/output/dense", width)
        x = self.norm(x + attended, f"{scope}/attention/output/LayerNorm")
        hidden = gelu(self.dense(x, f"{scope}/intermediate/dense", inner))
        return self.norm(x + self.dense(hidden, f"{scope}/output/dense", width), f"{scope}/output/LayerNorm")

    def google_albert_layer(self, x, mask, scope):
        attended = self.attention(x, mask, f"{scope}/attention_1/self", D, HEADS)
        attended = self.dense(attended, f"{scope}/attention_1/output/dense", D)
        x = self.norm(x + attended, f"{scope}/LayerNorm")
        hidden = gelu_tanh(self.dense(x, f"{scope}/ffn_1/intermediate/dense", F))
        return self.norm(x + self.dense(hidden, f"{scope}/ffn_1/intermediate/output/dense", D), f"{scope}/LayerNorm_1")

    def embeddings(self, ids, segments, root, width):
        words = tf.gather(self.get(f"{root}/embeddings/word_embeddings", V, width), ids)
        return self.norm(words + self.places(segments, root, width), f"{root}/embeddings/LayerNorm")

    def places(self, segments, root, width):
        types = tf.gather(self.get(f"{root}/embeddings/token_type_embeddings", Y, width), segments)
        positions = self.get(f"{root}/embeddings/position_embeddings", P, width)
        return types + positions[: segments.shape[1]]

    def pretraining_heads(self, width):
        self.norm(
            self.dense(tf.zeros([1, D]), "cls/predictions/transform/dense", width),
            "cls/predictions/transform/LayerNorm",
        )
        self.get("cls/predictions/output_bias", V)
        self.get("cls/seq_relationship/output_weights", 2, D)
        self.get("cls/seq_relationship/output_bias", 2)

    def slots(self, *endings):
        for name in list(self.made):
            for ending in endings:
                self.get(f"{name}/{ending}", *self.made[name].shape)
        v1.get_variable("global_step", initializer=tf.constant(7, tf.int64))


def gelu_tanh(x):
    return 0.5 * x * (1.0 + tf.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_erf(x):
    return 0.5 * x * (1.0 + tf.math.erf(x / math.sqrt(2.0)))


def bert(model, ids, segments, mask, *, layers=2, heads=True, root="bert"):
    x = model.embeddings(ids, segments, root, D)
    states = [x]
    for layer in range(layers):
        states.append(model.bert_layer(states[-1], mask, f"{root}/encoder/layer_{layer}", gelu_tanh, D, HEADS, F))
    pooled = tf.tanh(model.dense(states[-1][:, 0], f"{root}/pooler/dense", D))
    if heads:
        model.pretraining_heads(D)
        model.slots("adam_m", "adam_v")
    return states, pooled


def electra(model, ids, segments, mask, *, projected=True):
    width = E if projected else D
    x = embedded = model.embeddings(ids, segments, "electra", width)
    if projected:
        x = model.dense(x, "electra/embeddings_project", D)
    states = [x]
    for layer in range(2):
        states.append(model.bert_layer(states[-1], mask, f"electra/encoder/layer_{layer}", gelu_erf, D, HEADS, F))
    hidden = model.dense(states[-1], "discriminator_predictions/dense", D)
    model.dense(hidden, "discriminator_predictions/dense_1", 1)
    # The generator: narrower, its layers bear the same names in another scope.
    x = model.dense(embedded, "generator/embeddings_project", 4)
    model.bert_layer(x, mask, "generator/encoder/layer_0", gelu_erf, 4, 1, 8)
    model.norm(model.dense(x, "generator_predictions/dense", width), "generator_predictions/LayerNorm")
    model.get("generator_predictions/output_bias", V)
    return states, states[-1][:, 0]


def albert_google(model, ids, segments, mask, *, layers=4, groups=2, inner=2, width=E):
    x = model.embeddings(ids, segments, "bert", width)
    states = [model.dense(x, "bert/encoder/embedding_hidden_mapping_in", D) if width != D else x]
    for layer in range(layers):
        x = states[-1]
        for number in range(inner):
            group = int(layer / layers * groups)
            x = model.google_albert_layer(x, mask, f"bert/encoder/transformer/group_{group}/inner_group_{number}")
        states.append(x)
    pooled = tf.tanh(model.dense(states[-1][:, 0], "bert/pooler/dense", D))
    model.pretraining_heads(width)
    return states, pooled


def albert_brightmart(model, ids, segments, mask):
    words = tf.gather(model.get("bert/embeddings/word_embeddings", V, E), ids)
    words = tf.matmul(words, model.get("bert/embeddings/word_embeddings_2", E, D))
    states = [model.norm(words + model.places(segments, "bert", D), "bert/embeddings/LayerNorm")]
    for _ in range(3):
        states.append(model.bert_layer(states[-1], mask, "bert/encoder/layer_shared", gelu_tanh, D, HEADS, F))
    pooled = tf.tanh(model.dense(states[-1][:, 0], "bert/pooler/dense", D))
    model.pretraining_heads(D)
    model.slots("lamb_m", "lamb_v")
    return states, pooled


def make(folder, prefix, config_name, config, forward, *, tiny=False):
    folder = HERE / folder
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    lengths = np.array([14, 9, 2])
    mask = (np.arange(14) < lengths[:, None]).astype(np.int32)
    ids = random.integers(6, V, mask.shape).astype(np.int32) * mask
    segments = ((np.arange(14) >= 6).astype(np.int32) * mask).astype(np.int32)
    with tf.Graph().as_default(), v1.Session() as session:
        states, pooled = forward(Model(tiny), tf.constant(ids), tf.constant(segments), tf.constant(mask, tf.float32))
        session.run(v1.global_variables_initializer())
        arrays = dict(zip(("states", "pooled"), session.run([tf.stack(states), pooled]), strict=True))
        save(session, folder / prefix)
    np.savez_compressed(folder / "expected.npz", input_ids=ids, segment_ids=segments, input_mask=mask, **arrays)
    (folder / config_name).write_text(json.dumps(config, indent=2) + "\n")
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in TOKENS), encoding="utf-8")


def save(session, prefix, **options):
    v1.train.Saver(**options).save(session, str(prefix), write_meta_graph=False, write_state=False)


def config(**changes):
    return {
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": D,
        "initializer_range": 0.02,
        "intermediate_size": F,
        "max_position_embeddings": P,
        "num_attention_heads": HEADS,
        "num_hidden_layers": 2,
        "type_vocab_size": Y,
        "vocab_size": V,
        **changes,
    }


def make_containers():
    """Checkpoints of no model, for the reader alone: every type, two data files, partitioned variables."""
    folder = HERE / "containers"
    folder.mkdir(exist_ok=True)
    kinds = "float16 float32 float64 bfloat16 complex64 complex128 bool string "
    kinds += "int8 int16 int32 int64 uint8 uint16 uint32 uint64"
    with tf.Graph().as_default(), v1.Session() as session:
        for kind in kinds.split():
            initial = [["一", "two"]] if kind == "string" else tf.cast([[0, 1, 2], [3, 4, 5]], kind)
            v1.get_variable(kind, initializer=tf.convert_to_tensor(initial))
        v1.get_variable("scalar", initializer=tf.constant(3.5))
        v1.get_variable("empty", initializer=tf.zeros([0, 4]))
        session.run(v1.global_variables_initializer())
        save(session, folder / "types.ckpt")
    with tf.Graph().as_default(), v1.Session() as session:
        rows = v1.fixed_size_partitioner(3, axis=0)
        initial = tf.reshape(tf.range(700 * 2, dtype=tf.float32), [700, 2])
        v1.get_variable("rows", initializer=initial, partitioner=rows)
        columns = v1.fixed_size_partitioner(2, axis=1)
        v1.get_variable("columns", initializer=initial, partitioner=columns)
        session.run(v1.global_variables_initializer())
        save(session, folder / "partitioned.ckpt")
    parts = [folder / "part0", folder / "part1"]
    for number, part in enumerate(parts):
        names, tensors = [f"a{number}", f"b{number}"], [tf.range(5.0) + number, tf.fill([2, 2], 9 + number)]
        tf.raw_ops.SaveV2(prefix=str(part), tensor_names=names, shape_and_slices=["", ""], tensors=tensors)
    prefixes = [str(part) for part in parts]
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=prefixes, destination_prefix=str(folder / "sharded.ckpt"))
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("w", initializer=tf.range(4.0))
        session.run(v1.global_variables_initializer())
        save(session, folder / "old.ckpt", write_version=v1.train.SaverDef.V1)


if __name__ == "__main__":
    assert len(TOKENS) == V, len(TOKENS)
    tall = {"num_hidden_groups": 2, "inner_group_num": 2, "num_hidden_layers": 4, "embedding_size": E}
    one = {"num_hidden_groups": 1, "inner_group_num": 1, "num_hidden_layers": 2, "embedding_size": E}
    small = config(embedding_size=E, layer_norm_eps=1e-12, model_type="electra")
    make("bert", "bert_model.ckpt", "bert_config.json", config(), bert)
    make("electra", "electra_180g_small.ckpt", "small_discriminator_config.json", small, electra)
    generator = config(embedding_size=E, hidden_size=4, intermediate_size=8, num_attention_heads=1, num_hidden_layers=1)
    (HERE / "electra" / "small_generator_config.json").write_text(json.dumps(generator, indent=2) + "\n")
    wide = lambda *inputs: electra(*inputs, projected=False)  # noqa: E731
    make("electra_base", "electra_base", "discriminator.json", config(), wide)
    google, shipped = albert_google, {"attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0}
    make(
        "albert_google",
        "albert_model.ckpt",
        "albert_config_small_google.json",
        config(**tall, **shipped),
        google,
    )
    equal = lambda *inputs: google(*inputs, layers=2, groups=1, inner=1, width=D)  # noqa: E731
    square = config(**{**one, "embedding_size": D}, **shipped)
    make("albert_google_no_mapping", "albert_model.ckpt", "albert_config.json", square, equal)
    own = config(embedding_size=E, num_hidden_layers=3, ln_type="postln", **shipped)
    make("albert_brightmart", "albert_model.ckpt", "albert_config_tiny.json", own, albert_brightmart)

    plain = lambda *inputs: bert(*inputs, heads=False)  # noqa: E731
    single = lambda *inputs: google(*inputs, layers=2, groups=1, inner=1)  # noqa: E731
    make("epsilon/bert", "bert_model.ckpt", "bert_config.json", config(), plain, tiny=True)
    make("epsilon/electra", "electra_small", "discriminator.json", small, electra, tiny=True)
    make(
        "epsilon/albert_google",
        "albert_model.ckpt",
        "albert_config.json",
        config(**one, **shipped),
        single,
        tiny=True,
    )
    make_containers()
