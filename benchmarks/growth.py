"""How time and memory grow with the number of texts, tokens and labels.

    python benchmarks/growth.py TEXTS [--threads 1] [--texts 1000 10000 100000 1000000] [--again]

TEXTS is a file of short texts, repeated as often as needed.

    texts     `fenlei predict` from file to file, a process each: seconds, texts a second and peak resident memory. The
              encoder is random and of width 32, since it is the way of the rows that may not grow.
    tokens    one training update and one prediction of 4,096 tokens in texts of 32 to 512 tokens, ELECTRA-small
    labels    one training update and one prediction of 32 short texts with 2 to 10,000 labels, ELECTRA-small

Tokens and labels are measured in rounds that go through all points. Results go to growth.json and growth.md beside this
file; what is there already is not measured again without --again, so that an interrupted run goes on.
"""

import argparse
import json
import statistics
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from predict_file import run_fenlei
from shapes import classifier_of, network, processor, shape, short_name

import fenlei
from fenlei import ReadOptions, open_runtime
from fenlei.atomic import write_text
from fenlei.encoders.starter import starter_directory
from fenlei.encoders.tokenizer import load_tokenizer
from fenlei.model.classifier import EncoderClassifier
from fenlei.model.losses import zlpr
from fenlei.runtime import cache_folder, library_versions
from fenlei.text.batches import pack
from fenlei.text.tokens import TextEncoder, TextSettings
from fenlei.text.unlabelled import TextSource

SHAPE = "electra-small"
TOKENS, LABELS = (32, 64, 128, 256, 512), (2, 10, 100, 1_000, 10_000)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path, metavar="TEXTS")
    parser.add_argument("--texts", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    given = parser.parse_args()

    runtime = open_runtime(device="cpu", threads=given.threads)
    tokenizer = load_tokenizer(starter_directory(cache_folder()))
    texts = [row.text for row in TextSource(given.file, ReadOptions())]
    found = json.loads(given.out.read_text(encoding="utf-8")) if given.out.exists() and not given.again else {}
    found["run"] = {
        "command": f"growth.py {short_name(given.file)} --threads {given.threads} --rounds {given.rounds}",
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "precision": runtime.precision,
        "versions": {"fenlei": fenlei.__version__, **library_versions()},
    }
    parts = {
        "tokens": lambda: in_rounds({tokens: of_tokens(tokens, texts, tokenizer, runtime) for tokens in TOKENS}, given),
        "labels": lambda: in_rounds({labels: of_labels(labels, texts, tokenizer, runtime) for labels in LABELS}, given),
        **{f"texts, {count}": lambda count=count: files(texts, count, tokenizer, runtime) for count in given.texts},
    }
    for name, measure in parts.items():
        if name not in found:
            found[name] = measure()
            print(name, json.dumps(found[name]), flush=True)
            write_text(given.out, json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    write_text(given.out.with_suffix(".md"), page(found))


def files(texts, count, tokenizer, runtime):
    """Run the command line on `count` lines."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        classifier_of(network(shape("tiny")), tokenizer, runtime, max_tokens=128).save(folder / "bundle")
        with (folder / "texts.txt").open("w", encoding="utf-8") as file:
            # A line each: what breaks a line inside a text would make it two.
            file.writelines(" ".join(text.split()) + "\n" for text in islice(cycle(texts), count))
        call = ["predict", "bundle", "texts.txt", "--out", "out.csv", "--top-k", "3", "--threads", str(runtime.threads)]
        seconds, peak = run_fenlei(*call, folder=folder)
    return {"seconds": round(seconds, 1), "texts_per_second": round(count / seconds), "peak_mib": peak}


def of_tokens(tokens, texts, tokenizer, runtime):
    """A training update and a prediction of 4,096 tokens, in texts of so many."""
    joined = "".join(texts)
    width = 2 * tokens  # characters, more than enough to be cut
    long = [joined[start * width : (start + 1) * width] for start in range(4096 // tokens)]
    return pair_of_jobs(long, 65, tokens, tokenizer, runtime)


def of_labels(labels, texts, tokenizer, runtime):
    """A training update and a prediction of 32 texts with so many labels."""
    return pair_of_jobs(texts[:32], labels, 128, tokenizer, runtime)


def pair_of_jobs(texts, labels, max_tokens, tokenizer, runtime):
    classifier = classifier_of(network(shape(SHAPE, labels=labels)), tokenizer, runtime, max_tokens=max_tokens)
    learner = EncoderClassifier(network(shape(SHAPE, labels=labels))).train()
    optimizer = torch.optim.AdamW(learner.parameters(), lr=1e-5, fused=True)
    table = TextEncoder(tokenizer.tokenizer, TextSettings(max_tokens=max_tokens)).encode(texts)
    batch = pack(table, np.arange(len(texts)))
    targets = torch.zeros(len(texts), labels)
    targets[:, 0] = 1

    def update():
        with runtime.autocast():
            logits = learner(batch)
        zlpr(logits, targets).mean().backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return {"update": update, "predict": lambda: classifier.predict(texts, top_k=3)}


def in_rounds(points, given):
    """Milliseconds of each job at each point: median, least and most."""
    taken = {point: {job: [] for job in jobs} for point, jobs in points.items()}
    for number in range(given.rounds + 1):
        for point, jobs in points.items():
            for job, call in jobs.items():
                began = time.perf_counter()
                call()
                if number:  # the first round warms up
                    taken[point][job].append(1e3 * (time.perf_counter() - began))
    return {
        str(point): {
            f"{job}_ms": [round(pick(times), 1) for pick in (statistics.median, min, max)]
            for job, times in jobs.items()
        }
        for point, jobs in taken.items()
    }


def page(found):
    run = found["run"]
    versions = ", ".join(f"{library} {number}" for library, number in run["versions"].items())
    lines = [
        "# Growth with texts, tokens and labels",
        "",
        f"{run['date']}, {run['processor']}, {run['precision']}; {versions}.",
        f"`python benchmarks/{run['command']}`, which says what is measured. Milliseconds: median (least to most).",
        "Memory rises with the compiled products that oneDNN keeps, at most 512 of them (LOG.md).",
        "",
        "| texts | seconds | texts/s | peak memory |",
        "|---|---|---|---|",
    ]
    for name, point in found.items():
        if name.startswith("texts, "):
            count = int(name.split(", ")[1])
            lines.append(
                f"| {count:,} | {point['seconds']} | {point['texts_per_second']:,} | {point['peak_mib']} MiB |"
            )
    for part, what in (("tokens", "tokens a text, 4,096 in all"), ("labels", "labels, 32 short texts")):
        lines += ["", f"| {what} | training update | prediction |", "|---|---|---|"]
        for point, jobs in found[part].items():
            cells = [f"{median:.0f} ({low:.0f} to {high:.0f})" for median, low, high in jobs.values()]
            lines.append(f"| {int(point):,} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
