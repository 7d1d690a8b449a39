"""The recipes on whole data sets, measured on their test parts: trains what is missing, then writes the table.

    python benchmarks/results.py run FOLDER --data sogou_mini --ways balanced --seeds 42 43 44 --out runs/results
    python benchmarks/results.py table --out runs/results

FOLDER holds a folder a data set with train.jsonl, test.jsonl and perhaps dev.jsonl. Each run is `fenlei train` as a
user types it, in a folder of its own below --out; one that was cut off goes on, one that is done is not done again.
Each is a look at a test part: count it in LOG.md. `table` writes the rows of docs/results.md and docs/results.zh-CN.md;
rows there of runs that --out does not hold stay.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

from fenlei.atomic import write_text
from fenlei.judge.figures import FIGURE_NAMES, MAIN_FIGURE

DOCS = Path(__file__).resolve().parents[1] / "docs"

# The data set, what TF-IDF or others are known to reach there; published figures are named with their encoder.
PUBLISHED = {
    "baidu_event": "BERT-base 0.9458, with FGM 0.9547 to 0.9580",
    "sogou_mini": "ALBERT-base 0.9616, BERT-base 0.9697 to 0.9859, from 4,000 texts",
}

WAYS = {
    "probe": ["--epochs", "0", "--truncation", "windows"],
    "fast": ["--recipe", "fast"],
    "balanced": [],
    "strong": ["--recipe", "strong"],
    "windows": ["--truncation", "windows", "--max-windows", "4"],
}

PAGES = [DOCS / "results.md", DOCS / "results.zh-CN.md"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("folder", type=Path)
    run.add_argument("--data", nargs="+", required=True)
    run.add_argument("--ways", nargs="+", choices=WAYS, default=["balanced"])
    run.add_argument("--seeds", nargs="+", type=int, default=[42, 43, 44])
    for command in (run, commands.add_parser("table")):
        command.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    if given.command == "run":
        for data in given.data:
            for seed in given.seeds:
                for way in given.ways:
                    train(given.folder / data, WAYS[way], seed, given.out / data / way / f"seed-{seed}")
        return
    found = {key_of(line): line for line in lines(given.out)}
    for page in PAGES:
        text = page.read_text("utf-8")
        [table] = re.findall(r"(?<=^\|---).*\n((?:\|.*\n)*)", text, flags=re.M)
        rows = {key_of(line): line for line in table.splitlines()} | found
        write_text(page, text.replace(table, "".join(f"{rows[key]}\n" for key in sorted(rows))))


def key_of(line):
    """Data set and way of a row, in the order that rows stand in: what others published comes last."""
    data, way = (cell.strip().split(" ")[0] for cell in line.split("|")[1:3])
    return data, [*WAYS, "published"].index(way)


def train(data, flags, seed, out):
    """One run, unless it is done."""
    if (out / "report" / "test" / "report.json").exists():
        return
    dev = ["--dev", data / "dev.jsonl"] if (data / "dev.jsonl").exists() else []
    resume = ["--resume"] if any(out.with_name(f"{out.name}.run").glob("checkpoint-*")) else []
    where = ["--threads", 1, "--out", out, "--overwrite"]
    command = ["train", data / "train.jsonl", *dev, "--test", data / "test.jsonl", *flags, "--seed", seed, *where]
    program = Path(sys.executable).with_name("fenlei")
    subprocess.run([program, *map(str, [*command, *resume])], stdout=subprocess.DEVNULL, check=True)


def lines(out):
    """A row for each data set and way that has runs."""
    for data in sorted(path for path in out.iterdir() if path.is_dir()):
        for way in (name for name in WAYS if (data / name).exists()):
            runs = sorted((data / way).glob("seed-*/report/test/report.json"))
            if not runs:
                continue
            reports = [json.loads(path.read_text(encoding="utf-8")) for path in runs]
            records = [json.loads((path.parents[2] / "fenlei.json").read_text(encoding="utf-8")) for path in runs]
            main = MAIN_FIGURE[reports[0]["task"]]
            trainings = [record["training"] for record in records]
            devices = sorted({training["device"] for training in trainings})
            minutes = [
                f"{statistics.mean(one['seconds'] for one in trainings if one['device'] == device) / 60:.1f}, {device}"
                for device in devices
            ]
            flags = f" `{' '.join(WAYS[way])}`" if WAYS[way] else ""
            cells = [
                f"{data.name} ({reports[0]['rows']:,})",
                f"{way}{flags}",
                str(len(runs)),
                f"{FIGURE_NAMES[main]} **{spread(reports, main)}** {interval(reports[0], main)}",
                spread(reports, "macro_f1"),
                spread(reports, "subset_accuracy") if reports[0]["task"] == "multilabel" else "",
                f"{statistics.mean(report['comparison']['figures'][main]['value'] for report in reports):.4f}",
                "; ".join(minutes),
            ]
            yield f"| {' | '.join(cells)} |"
        if data.name in PUBLISHED:
            yield f"| {data.name} | published | | {PUBLISHED[data.name]} | | | | |"


def spread(reports, name):
    """Mean over the runs, and their standard deviation where there are several."""
    values = [report["figures"][name]["value"] for report in reports]
    return f"{statistics.mean(values):.4f}" + (f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else "")


def interval(report, name):
    low, high = (report["figures"][name]["interval"][side] for side in ("low", "high"))
    return f"[{low:.4f}, {high:.4f}]"


if __name__ == "__main__":
    main()
