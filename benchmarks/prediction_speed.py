"""Prediction speed of fenlei against the ways most people predict, side by side in one run.

    python benchmarks/prediction_speed.py --short SHORT --long LONG [--shapes electra-small bert-base] [--threads 1]

SHORT and LONG are files of texts, labelled or not. Every way gets the same random network and the same texts, which it
tokenizes itself; rounds are interleaved, so that a busy neighbour hits all ways alike. First each way must give the
logits of the plain float32 loop within the errors stated below, otherwise the benchmark fails. The ways:

    pipeline        transformers' `pipeline(...)` with batch_size=32
    loop-fp32       batches of 32 in file order, padded to the longest of the batch; loop-bf16: under autocast
    ort-fp32        ONNX Runtime, batches of 32 sorted by length; ort-int8: weights quantised, activations dynamically
    openvino-fp32   OpenVINO, batches of 32 sorted by length; openvino-bf16: with INFERENCE_PRECISION_HINT
    fenlei          `Classifier.scores(texts)`

Results go to prediction_speed.json beside this file, shape by shape, with prediction_speed.md and
prediction_speed.svg made of it; what is there already is not measured again without --again.
"""

import argparse
import json
import os
import platform
import statistics
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from prediction_report import write_report
from prediction_ways import missing, peers
from shapes import SHAPES, classifier_of, network, operations, processor, product_ceiling, shape, short_name

import fenlei
from fenlei import ReadOptions, open_runtime
from fenlei.atomic import write_text
from fenlei.encoders.starter import starter_directory
from fenlei.encoders.tokenizer import load_tokenizer
from fenlei.runtime import cache_folder, library_versions
from fenlei.text.tokens import TextEncoder, TextSettings
from fenlei.text.unlabelled import TextSource

LONGEST = 300

# Rms difference from float32, as a share of how far the logits of texts lie apart (rms about each label's mean).
BOUNDS = {"fp32": 1e-3, "bf16": 0.15, "int8": 1.0}

# Texts of a round, so that the slowest way takes seconds: (short, long).
TEXTS = {"electra-small": (96, 16), "starter": (96, 16), "bert-base": (48, 8), "albert-small": (96, 16)}
TIMES_ON_A_GPU = 40  # as many
SINGLES = 24  # texts a round that go one by one


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--short", type=Path, required=True)
    parser.add_argument("--long", type=Path, required=True)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=SHAPES)
    parser.add_argument("--device", default="cpu", help="cpu or cuda, where ONNX Runtime and OpenVINO are left out")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--out", type=Path, help="by default beside this file, on a GPU with its kind in the name")
    given = parser.parse_args()
    on_gpu = given.device != "cpu"
    given.out = given.out or Path(__file__).with_name(f"prediction_speed{'_cuda' if on_gpu else ''}.json")

    runtime = open_runtime(device=given.device, threads=given.threads)
    torch.set_grad_enabled(False)
    for runtime_name in ("onnxruntime", "openvino"):
        if not on_gpu and (lacking := missing(runtime_name)):
            print(f"{runtime_name} is skipped: pip install {' '.join(lacking)}")
    results = json.loads(given.out.read_text(encoding="utf-8")) if given.out.exists() else {}
    for name in given.shapes:
        for kind, path in (("short", given.short), ("long", given.long)):
            if f"{name}, {kind}" in results and not given.again:
                continue
            every = [row.text for row in TextSource(path, ReadOptions())]
            count = min(TEXTS[name][kind == "long"] * (TIMES_ON_A_GPU if on_gpu else 1), len(every))
            # Spread over the file, since its neighbours are often of one class and one length.
            texts = [every[row] for row in np.linspace(0, len(every) - 1, count).astype(int)]
            results[f"{name}, {kind}"] = {
                "command": f"prediction_speed.py --short {short_name(given.short)} --long {short_name(given.long)} "
                f"--shapes {name}{f' --device {given.device}' if on_gpu else ''} --threads {given.threads} "
                f"--rounds {given.rounds}",
                "date": time.strftime("%Y-%m-%d"),
                "processor": processor(given.device),
                "cores": cores(),
                "threads": given.threads,
                "precision": runtime.precision,
                "versions": {"fenlei": fenlei.__version__, **library_versions(), **runtime_versions()},
                **measured(name, texts, runtime, given.rounds),
            }
            write_text(given.out, json.dumps(results, ensure_ascii=False, indent=1) + "\n")
            write_report(results, given.out)


def measured(name, texts, runtime, rounds):
    """Parity, then throughput and single-text latency of every way, on one shape and one set of texts."""
    folder = starter_directory(cache_folder())
    config = shape(name)
    ways = peers(network(config), folder, max_tokens=LONGEST, threads=runtime.threads, device=runtime.device)
    if runtime.precision == "float32":  # without native bfloat16 its products are emulated, a hundred times slower
        ways = {way: call for way, call in ways.items() if not way.endswith("-bf16")}
    tokenizer = load_tokenizer(folder)
    classifier = classifier_of(network(shape(name)), tokenizer, runtime, max_tokens=LONGEST)
    ways = {way: call for way, call in ways.items() if call} | {"fenlei": classifier.scores}

    errors = errors_of(ways, texts, runtime)
    lengths = TextEncoder(tokenizer.tokenizer, TextSettings(max_tokens=LONGEST)).encode(texts).lengths
    singles = texts[:: max(1, len(texts) // SINGLES)]
    speeds, latencies, ceilings = {way: [] for way in ways}, {way: [] for way in ways}, []
    for way in ways:
        for text in singles:
            ways[way]([text])
    for _ in range(rounds):
        ceilings.append(product_ceiling(runtime))
        for way, call in ways.items():
            began = time.perf_counter()
            call(texts)
            speeds[way].append(len(texts) / (time.perf_counter() - began))
        for text in singles:
            for way, call in ways.items():
                began = time.perf_counter()
                call([text])
                latencies[way].append(time.perf_counter() - began)
    ceiling, a_text = max(ceilings), operations(config, lengths) / len(texts)
    speed = f"{ceiling / 1e12:.2f} TFLOP/s in {runtime.precision}"
    print(f"\n{name}: {len(texts)} texts, {np.mean(lengths):.0f} tokens a text, {speed}")
    found = {}
    for way in ways:
        p50, p99 = np.quantile(latencies[way], (0.5, 0.99)) * 1e3
        median = statistics.median(speeds[way])
        found[way] = {
            "texts_per_second": [round(speed, 2) for speed in speeds[way]],
            "share_of_ceiling": round(median * a_text / ceiling, 3),
            "one_text_ms": {"p50": round(p50, 2), "p99": round(p99, 2)},
            "rms_error": float(f"{errors[way]:.2g}"),
        }
        ratios = [ours / theirs for ours, theirs in zip(speeds["fenlei"], speeds[way], strict=True)]
        print(
            f"{way:14} {median:8.2f} texts/s ({min(speeds[way]):.1f} to {max(speeds[way]):.1f}), one text {p50:6.1f} "
            f"ms, p99 {p99:6.1f}; fenlei is {statistics.median(ratios):5.2f}x ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )
    return {
        "texts": len(texts),
        "tokens_a_text": round(float(np.mean(lengths)), 1),
        "ceiling_tflops": round(ceiling / 1e12, 3),
        "ways": found,
    }


def errors_of(ways, texts, runtime):
    """Way -> rms error of its logits against the plain float32 loop, in units of the spread over texts.

    Exits where one lies beyond its bound.
    """
    expected = ways["loop-fp32"](texts)
    spread = np.sqrt(np.square(expected - expected.mean(0)).mean())
    errors = {}
    for way, call in ways.items():
        logits = call(texts)
        if way == "fenlei":
            logits = np.log(logits / (1 - logits))
        errors[way] = float(np.sqrt(np.square(logits - expected).mean()) / spread)
        precision = way.rpartition("-")[2] if "-" in way else "fp32"
        if way == "fenlei" and runtime.precision == "bfloat16":
            precision = "bf16"
        if not errors[way] <= BOUNDS[precision]:
            raise SystemExit(f"{way}: logits are off by {errors[way]:.3g} of their spread, beyond {BOUNDS[precision]}")
    return errors


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def runtime_versions():
    found = {"platform": platform.system()}
    for name in ("onnx", "onnxscript", "onnxruntime", "openvino"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


if __name__ == "__main__":
    main()
