"""From the command to the first answer, in fresh processes, in alternating rounds.

    python benchmarks/cold_start.py [--rounds 5]

The encoder is random, of the starter's shape, and saved as a bundle. Beside `fenlei predict` on one line stand what it
consists of (the imports of torch and of transformers' model class) and a transformers `pipeline` on the same text and
a network of the same shape. Bytecode is cached, as in any installed package; the first round fills the cache and is
not counted. Writes cold_start.json and cold_start.md beside this file.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from shapes import classifier_of, network, processor, shape

import fenlei
from fenlei import open_runtime
from fenlei.atomic import write_text
from fenlei.encoders.starter import starter_directory
from fenlei.encoders.tokenizer import load_tokenizer, save_tokenizer
from fenlei.runtime import cache_folder, library_versions

TEXT = "大众汽车召回部分车型，车主可免费更换电池"
LOADED = "from fenlei import Classifier; Classifier.load('bundle', threads=1)"
PIPELINE = (
    "import torch; torch.set_num_threads(1); from transformers import pipeline; "
    f"print(pipeline('text-classification', 'plain', device='cpu', top_k=None)('{TEXT}'))"
)

# What is run -> its code; the text is on stdin.
CODES = {
    "import fenlei": "import fenlei",
    "fenlei --help": "import sys; sys.argv = ['fenlei', '--help']; from fenlei.cli import main; main()",
    "import torch": "import torch",
    "import torch and transformers' BERT": "from transformers.models.bert import modeling_bert",
    "Classifier.load": LOADED,
    "fenlei predict, one line": "import sys; sys.argv = ['fenlei', 'predict', 'bundle', '--threads', '1']; "
    "from fenlei.cli import main; main()",
    "transformers pipeline, one text": PIPELINE,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    given = parser.parse_args()
    out = given.out.resolve()
    runtime = open_runtime(device="cpu", threads=1)
    tokenizer = load_tokenizer(starter_directory(cache_folder()))
    seconds = {name: [] for name in CODES}
    with tempfile.TemporaryDirectory() as folder:
        plain = network(shape("starter"))
        plain.save_pretrained(Path(folder, "plain"))
        save_tokenizer(tokenizer, Path(folder, "plain"), max_tokens=300)
        classifier_of(plain, tokenizer, runtime, max_tokens=300).save(Path(folder, "bundle"))
        surroundings = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(folder, "bytecode"))}
        surroundings.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(given.rounds + 1):
            for name, code in CODES.items():
                began = time.perf_counter()
                subprocess.run(
                    [sys.executable, "-c", code],
                    cwd=folder,
                    env=surroundings,
                    input=f"{TEXT}\n".encode(),
                    capture_output=True,
                    check=True,
                )
                if number:
                    seconds[name].append(round(time.perf_counter() - began, 3))
    found = {
        "command": f"cold_start.py --rounds {given.rounds}",
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "versions": {"fenlei": fenlei.__version__, **library_versions()},
        "seconds": seconds,
    }
    write_text(out, json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    write_text(out.with_suffix(".md"), page(found))
    print(page(found))


def page(found):
    versions = ", ".join(f"{library} {number}" for library, number in found["versions"].items())
    lines = [
        "# Cold start",
        "",
        f"{found['date']}, {found['processor']}, one thread; {versions}.",
        f"`python benchmarks/{found['command']}`, which says what is run. Whole processes.",
        "",
        "| process | seconds, median (least to most) |",
        "|---|---|",
    ]
    for name, times in found["seconds"].items():
        lines.append(f"| {name} | {statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f}) |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
