"""Training speed and memory of fenlei against the ways most scripts train, side by side in one run.

    python benchmarks/training_speed.py run DATA [--shape electra-small] [--device cuda] [--ways ...] [--out FILE.json]
    python benchmarks/training_speed.py show FILE.json            the table in Markdown, and FILE.svg beside it
    python benchmarks/training_speed.py accuracy DATA [--seeds 1 2]

DATA is any labelled file; `accuracy` needs it multi-label and large enough. Every way trains the same random network on
the same updates of 32 texts, dropout on, clipped gradients, AdamW, each in a process of its own: `training_ways.py`.
Rounds are interleaved, so that a busy neighbour hits all ways alike, and a plain product, in bfloat16 where native, is
timed in each of them: the ceiling. With one thread the processes' own CPU time counts, which is what a calm core would
take; with more, the clock. The ways:

    padded-fp32, dynamic-fp32, dynamic-bf16     a plain loop: padded to 300 tokens or to the longest of the batch
    Trainer-padded-*, Trainer-dynamic-*         transformers' `Trainer`, padded beforehand as run_classification does by
                                                default, or by DataCollatorWithPadding; needs `pip install accelerate`
    fenlei, fenlei-checkpointing                packed, bfloat16 where native
    simpletransformers, bert4keras              each where an environment variable names the Python that has it:
                                                FENLEI_SIMPLETRANSFORMERS, FENLEI_BERT4KERAS; see `training_peers.py`
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from shapes import SHAPES, operations, processor, product_ceiling, shape, short_name
from training_accuracy import compare_accuracy
from training_ways import BATCH, WAYS, Work, export

import fenlei
from fenlei import open_runtime
from fenlei.runtime import library_versions

PEERS = {"simpletransformers": "FENLEI_SIMPLETRANSFORMERS", "bert4keras": "FENLEI_BERT4KERAS"}


class Way:
    """One way in its own process."""

    def __init__(self, name, given, scratch, ending):
        folder = scratch / name
        rounds = given.warm_up + given.rounds
        if name in PEERS:
            export(Work(given.data, given.updates * rounds), given.shape, folder)
        script = "training_peers.py" if name in PEERS else "training_ways.py"
        python = os.environ[PEERS[name]] if name in PEERS else sys.executable
        self.rounds, self.peak_mib = [], None
        self.process = subprocess.Popen(
            [python, Path(__file__).with_name(script), name, given.data, "--scratch", folder]
            + [f"--rounds={rounds}"]
            + [f"--{key}={getattr(given, key)}" for key in ("shape", "threads", "updates")]
            + ([] if name in PEERS else [f"--device={given.device}"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(scratch / f"{name}.log").open("w"),
            encoding="utf-8",
            env=os.environ | {"OMP_NUM_THREADS": str(given.threads)},
        )
        ending.callback(self.process.kill)  # none goes on where another one failed
        self.log = scratch / f"{name}.log"

    def lengths_of_updates(self):
        """Tokens of each text of each update; the first answer, when the process is ready."""
        return self._answer()["tokens"]

    def round(self):
        with contextlib.suppress(BrokenPipeError):  # what went wrong is told where the answer is missing
            print(file=self.process.stdin, flush=True)
        self.rounds.append(self._answer())

    def end(self):
        self.peak_mib = self._answer()["peak_mib"]
        self.process.communicate()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args[2]} ended early:\n{self.log.read_text()[-2000:]}")
        return json.loads(line)


def run(given):
    runtime = open_runtime(device=given.device, threads=given.threads)
    one_core = given.device == "cpu" and given.threads == 1
    counted, clock = ("cpu_seconds", time.process_time) if one_core else ("seconds", time.perf_counter)
    for name in [name for name in given.ways if name in PEERS]:
        if given.device != "cpu" or not os.environ.get(PEERS[name]):
            why = f"{PEERS[name]} names no Python" if given.device == "cpu" else "it is run on the CPU alone"
            print(f"{name}: left out, {why}")
            given.ways.remove(name)
    if runtime.precision == "float32":  # without native bfloat16 its products are emulated, a hundred times slower
        for name in [name for name in given.ways if name.endswith("-bf16")]:
            print(f"{name}: left out, there is no native bfloat16")
            given.ways.remove(name)
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as ending:
        ways = {name: Way(name, given, Path(scratch), ending) for name in given.ways}
        # All start at once: where imports are slow, one after the other would take longer than the rounds.
        every = [way.lengths_of_updates() for way in ways.values()]
        ceilings = []
        for number in range(1 - given.warm_up, given.rounds + 1):
            ceilings.append(product_ceiling(runtime, clock=clock))
            for way in ways.values():
                way.round()
            print(f"round {number} of {given.rounds}{'' if number > 0 else ' (warm-up)'}", file=sys.stderr)
        for way in ways.values():
            way.end()
    updates = every[0][given.warm_up * given.updates :]
    rounds = [
        [length for update in updates[at : at + given.updates] for length in update]
        for at in range(0, len(updates), given.updates)
    ]
    # The backward pass of a product is two of its size.
    work = [3 * operations(shape(given.shape), lengths) for lengths in rounds]
    result = {
        "command": f"training_speed.py run {short_name(given.data)} "
        + " ".join(
            f"--{key} {getattr(given, key)}" for key in ("shape", "device", "threads", "warm_up", "rounds", "updates")
        ).replace("_", "-")
        + f" --ways {' '.join(given.ways)}",
        "date": time.strftime("%Y-%m-%d"),
        "fenlei": fenlei.__version__,
        "versions": library_versions(),
        "processor": processor(given.device),
        "precision": runtime.precision,
        "shape": given.shape,
        "data": given.data.parent.name,
        "tokens_a_text": round(statistics.mean(length for update in updates for length in update), 1),
        "texts_a_round": BATCH * given.updates,
        "ceiling_gflops": [round(one / 1e9, 1) for one in ceilings[given.warm_up :]],
        "work_gflop": [round(one / 1e9, 1) for one in work],
        "counted": counted,
        **{
            kind: {name: [round(one[kind], 3) for one in way.rounds[given.warm_up :]] for name, way in ways.items()}
            for kind in ("seconds", "cpu_seconds")
        },
        "peak_mib": {name: way.peak_mib for name, way in ways.items()},
    }
    results = json.loads(given.out.read_text(encoding="utf-8")) if given.out and given.out.exists() else []
    results = [one for one in results if what(one) != what(result)] + [result]
    print("\n".join(table(result, highest_ceiling(results, result["processor"]))))
    if given.out:
        given.out.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def what(result):
    """What a run measured: another of the same takes its place. Where memory is short, ways are split over runs."""
    return result["processor"], result["shape"], result["data"], sorted(result["seconds"])


def ratios(result, name):
    """How many times fenlei's speed is that of the way, round by round."""
    seconds = result[result["counted"]]
    return [theirs / ours for theirs, ours in zip(seconds[name], seconds["fenlei"], strict=True)]


def highest_ceiling(results, processor):
    """Of all rounds on a processor: a busy neighbour slows a lone product down too, and the best is what it can do."""
    return max(one for result in results if result["processor"] == processor for one in result["ceiling_gflops"])


def table(result, ceiling):
    """The rows of one run in Markdown."""
    yield f"**{result['shape']}, {result['data']}**, {result['tokens_a_text']} tokens a text: `{result['command']}`"
    yield ""
    yield "| way | texts/s | fenlei is faster by, median (min to max) | of the ceiling (most) | peak memory, MiB |"
    yield "|---|---|---|---|---|"
    for name, seconds in result[result["counted"]].items():
        # The ceiling is that of a calm moment: so the round that was calmest says what the code leaves of it.
        shares = [work / time / ceiling for work, time in zip(result["work_gflop"], seconds, strict=True)]
        share = f"{statistics.median(shares):.1%} ({max(shares):.1%})"
        speed = result["texts_a_round"] / statistics.median(seconds)
        times = ratios(result, name) if "fenlei" in result["seconds"] else [float("nan")]
        faster = "" if name == "fenlei" else f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"
        yield f"| {name} | {speed:.2f} | {faster} | {share} | {result['peak_mib'][name]:,} |"
    yield ""


def show(given):
    results = json.loads(given.file.read_text(encoding="utf-8"))
    for result in results:
        print("\n".join(table(result, highest_ceiling(results, result["processor"]))))
    chart(results).save(given.file.with_suffix(".svg"))


def chart(results):
    """How many times faster than each way, a panel for each shape and data; of two runs the longer one."""
    import altair as alt

    found = {
        (f"{result['shape']}, {result['data']}", name): ratios(result, name)
        for result in sorted(results, key=lambda result: sum(result["work_gflop"]))
        for name in result["seconds"]
        if not name.startswith("fenlei")
    }
    rows = [
        {"run": run, "way": name, "times": statistics.median(times), "low": min(times), "high": max(times)}
        for (run, name), times in sorted(found.items())
    ]
    way = alt.Y("way:N", title=None, sort=[*WAYS, *PEERS])
    base = alt.Chart().encode(way)
    bars = base.mark_bar(color="#4c78a8").encode(alt.X("times:Q", title="fenlei trains so many times faster"))
    spread = base.mark_rule(color="#333").encode(alt.X("low:Q", title=""), alt.X2("high:Q"))
    numbers = base.mark_text(align="left", dx=4).encode(alt.X("high:Q"), alt.Text("times:Q", format=".1f"))
    panels = alt.layer(bars, spread, numbers, data=alt.Data(values=rows)).properties(width=230, height=130)
    return panels.facet(
        alt.Facet("run:N", title=None, sort=list(dict.fromkeys(row["run"] for row in rows))), columns=2
    ).configure(background="white")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    running = commands.add_parser("run")
    running.add_argument("data", type=Path)
    running.add_argument("--shape", choices=SHAPES, default="electra-small")
    running.add_argument("--ways", nargs="+", choices=[*WAYS, *PEERS], default=[*WAYS, *PEERS])
    running.add_argument("--device", default="cpu", help="cpu or cuda; on a GPU the clock counts, and its memory")
    running.add_argument("--threads", type=int, default=1)
    running.add_argument("--rounds", type=int, default=3)
    running.add_argument("--warm-up", type=int, default=1, help="rounds before, not counted: shapes are compiled")
    running.add_argument("--updates", type=int, default=4, help="updates of a way in a round")
    running.add_argument("--out", type=Path)
    running.set_defaults(do=run)
    showing = commands.add_parser("show")
    showing.add_argument("file", type=Path)
    showing.set_defaults(do=show)
    judging = commands.add_parser("accuracy")
    judging.add_argument("data", type=Path)
    judging.add_argument("--rows", type=int, default=1500, help="rows to train on")
    judging.add_argument("--judge", type=int, default=500, help="other rows to judge on")
    judging.add_argument("--epochs", type=int, default=3)
    judging.add_argument("--seeds", nargs="+", type=int, default=[1])
    judging.add_argument("--against", nargs="+", choices=["drawn-one-by-one", "padded-fp32"], default=["padded-fp32"])
    judging.add_argument("--threads", type=int, default=1)
    judging.set_defaults(do=compare_accuracy)
    given = parser.parse_args()
    given.do(given)


if __name__ == "__main__":
    main()
