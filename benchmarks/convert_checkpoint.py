"""How long and how much memory `convert` takes for a checkpoint of BERT-base's size (409 MB, random weights).

    python benchmarks/convert_checkpoint.py

Results: benchmarks/convert_checkpoint.md
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "checkpoints"))
from bundle_writer import write_bundle

LAYERS, V, P, D, F = 12, 21128, 512, 768, 3072

MEASURED = """
import sys, time
started = time.perf_counter()
from pathlib import Path
import google_crc32c, numpy, tokenizers
from fenlei.encoders.convert import convert
imported = time.perf_counter()
def most_memory():
    # ru_maxrss would carry over the memory of the process that started this one.
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
before = most_memory()
convert(Path(sys.argv[1]), Path(sys.argv[2]), overwrite=True)
seconds = time.perf_counter() - imported
peak = (most_memory() - before) / 1024
print(f"imports {imported - started:.2f} s, convert {seconds:.2f} s, {peak:.0f} MiB beyond the imports")
"""


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from (
        ("bert/embeddings/word_embeddings", (V, D)),
        ("bert/embeddings/position_embeddings", (P, D)),
        ("bert/embeddings/token_type_embeddings", (2, D)),
    )
    dense = {"bert/pooler/dense": (D, D)}
    norms = ["bert/embeddings/LayerNorm"]
    for layer in range(LAYERS):
        scope = f"bert/encoder/layer_{layer}"
        for part in ("self/query", "self/key", "self/value", "output/dense"):
            dense[f"{scope}/attention/{part}"] = (D, D)
        dense |= {f"{scope}/intermediate/dense": (D, F), f"{scope}/output/dense": (F, D)}
        norms += [f"{scope}/attention/output/LayerNorm", f"{scope}/output/LayerNorm"]
    for name, shape in dense.items():
        yield from ((f"{name}/kernel", shape), (f"{name}/bias", shape[1:]))
    for name in norms:
        yield from ((f"{name}/gamma", (D,)), (f"{name}/beta", (D,)))


def main() -> None:
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arrays = {name: random.standard_normal(shape, dtype=np.float32) * 0.02 for name, shape in shapes()}
        write_bundle(folder / "bert" / "bert_model.ckpt", arrays)
        print(f"file {sum(array.nbytes for array in arrays.values()) / 1e6:.0f} MB")
        config = {"hidden_size": D, "num_attention_heads": 12, "num_hidden_layers": LAYERS, "hidden_act": "gelu"}
        (folder / "bert" / "bert_config.json").write_text(json.dumps(config))
        tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"token{number}" for number in range(V - 5))]
        (folder / "bert" / "vocab.txt").write_text("\n".join(tokens))
        for _ in range(3):
            command = [sys.executable, "-c", MEASURED, str(folder / "bert"), str(folder / "out")]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
