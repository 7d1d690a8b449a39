"""`fenlei predict` on files of growing length: peak memory, and throughput beside the in-memory way.

    python benchmarks/predict_file.py --lines 10000 100000 1000000
    python benchmarks/predict_file.py --bundle runs/demo --texts rows.csv --rounds 3

The first command uses a random encoder of width 32, since memory is what it is about: each length in a process of
its own. The second compares `predict_file` with `Classifier.predict` on all texts at once, in alternating rounds.
Prints a line of JSON a measurement.
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

from kill_and_resume import write_encoder, write_rows

from fenlei import Classifier, ReadOptions
from fenlei.predict.files import predict_file
from fenlei.text.unlabelled import TextSource

COMMON = ("--threads", "1")


def run_fenlei(*arguments: str, folder: Path = Path()) -> tuple[float, int]:
    """Run the command line in a folder; its wall time and the peak of its resident memory in MiB (Linux)."""
    # What wait4 tells is at least the memory of the process that forked.
    peak = "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')), file=sys.stderr)"
    code = f"import atexit, sys; atexit.register(lambda: {peak}); from fenlei.cli import main; main()"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(f"fenlei {arguments[0]} failed:\n{done.stderr[-2000:]}")
    return time.monotonic() - began, int(done.stderr.rsplit("VmHWM:", 1)[1].split()[0]) // 1024


def memory(lengths: list[int]) -> None:
    encoder = write_encoder(Path("encoder"))
    rows = write_rows(Path("rows.csv"), 300)
    run_fenlei(
        "train", str(rows), "--encoder", str(encoder), "--max-tokens", "40", "--epochs", "1", "--out", "bundle", *COMMON
    )
    for lines in lengths:
        texts = write_rows(Path(f"{lines}.csv"), lines)
        seconds, peak = run_fenlei(
            "predict", "bundle", str(texts), "--out", f"{lines}.out.csv", "--top-k", "3", *COMMON
        )
        told = {
            "lines": lines,
            "seconds": round(seconds, 1),
            "peak MiB": peak,
            "input MB": texts.stat().st_size // 10**6,
        }
        print(json.dumps(told), flush=True)


def throughput(bundle: Path, texts: Path, rounds: int) -> None:
    classifier = Classifier.load(bundle, threads=1)
    source = TextSource(texts, ReadOptions())
    every = [row.text for row in source]
    classifier.predict(every[:64])
    ratios = []
    for number in range(rounds):
        began = time.monotonic()
        classifier.predict(every, top_k=3)
        in_memory = time.monotonic() - began
        began = time.monotonic()
        predict_file(classifier, source, Path(f"{number}.csv"), result_format="csv", top_k=3)
        ratios.append(in_memory / (time.monotonic() - began))
        print(
            json.dumps({"round": number, "texts": len(every), "in memory s": round(in_memory, 1), "ratio": ratios[-1]})
        )
    print(json.dumps({"median ratio of throughput, file to memory": statistics.median(ratios)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    given.bundle, given.texts = (path and path.resolve() for path in (given.bundle, given.texts))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if given.bundle:
            throughput(given.bundle, given.texts, given.rounds)
        else:
            memory(given.lines)
        os.chdir("/")
