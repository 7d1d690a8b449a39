"""How long a report of 200 labels x 20,000 rows takes from its arrays, and how large its files are.

    python benchmarks/report_size.py

Target: under 30 seconds and 8 MB of report.html. Results: benchmarks/report_size.md
"""

import json
import time
from dataclasses import replace

import numpy as np

from fenlei.judge.decision import Decision
from fenlei.judge.error_rows import error_rows, errors_csv
from fenlei.judge.evaluation import Baseline, build_report
from fenlei.judge.row_facts import Lengths
from fenlei.page.render import report_page
from fenlei.predict.origin import Origin

ROWS, LABELS, LABELS_A_ROW = 20_000, 200, 1.8


def arrays(seed: int = 0):
    """Truth with frequencies that fall as 1 / rank^0.9, and the scores of a good and of a weaker classifier."""
    random = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, LABELS + 1) ** 0.9
    truth = (random.random((ROWS, LABELS)) < frequency * LABELS_A_ROW / frequency.sum()).astype(np.uint8)
    good = random.normal(-5, 1.2, truth.shape) + truth * random.normal(7, 2.2, truth.shape)
    weak = random.normal(-3.5, 1.5, truth.shape) + truth * random.normal(4, 2.2, truth.shape)
    return truth, 1 / (1 + np.exp(-good)), 1 / (1 + np.exp(-weak))


def main() -> None:
    truth, scores, weak = arrays()
    random = np.random.default_rng(1)
    names = [f"行业/标签{i:03}" for i in range(LABELS)]
    texts = ["".join(chr(0x4E00 + c) for c in random.integers(0, 5000, 400)) for _ in range(ROWS)]
    tokens = random.integers(5, 500, ROWS)
    decision = Decision(task="multilabel", thresholds=0.3, person_below=0.02)
    started = time.perf_counter()
    report = build_report(
        truth,
        scores,
        decision,
        names,
        uncalibrated=scores**2,
        baseline=Baseline(name="TF-IDF + linear", predicted=(weak >= 0.5).astype(np.uint8), scores=weak),
        seen={"train": np.arange(ROWS) < 50},
        training_rows=(truth.sum(axis=0, dtype=int) * 8).tolist(),
        lengths=Lengths(tokens=tokens, cut=tokens > 300),
    )
    judged = time.perf_counter()
    errors = error_rows([str(i) for i in range(ROWS)], texts, truth, scores, decision, names)
    listed = time.perf_counter()
    history = tuple(
        {"epoch": i, "train_loss": 1 / i, "dev_loss": 1 / i, "dev_score": 1 - 0.5 / i} for i in range(1, 11)
    )
    nothing = Origin(
        made="",
        bundle="",
        encoder="",
        runtime={},
        versions={"fenlei": ""},
        training={},
        training_versions={},
        history=(),
    )
    origin = replace(nothing, history=history)
    page = report_page(report, errors, origin)
    written = time.perf_counter()
    sizes = {
        "report.html": page,
        "report.json": json.dumps(report.to_dict() | {"origin": origin.to_dict()}, ensure_ascii=False, indent=2),
        "report.csv": report.to_csv(),
        "report.txt": report.to_text(),
        "errors.csv": errors_csv(errors),
    }
    ended = time.perf_counter()
    print(f"{ROWS:,} rows, {LABELS} labels, {len(errors):,} rows with errors")
    print(f"figures, intervals, details   {judged - started:6.1f} s")
    print(f"list of errors                {listed - judged:6.1f} s")
    print(f"report.html                   {written - listed:6.1f} s")
    print(f"the other files               {ended - written:6.1f} s")
    print(f"together                      {ended - started:6.1f} s")
    for name, content in sizes.items():
        print(f"{name:<14}{len(content.encode()) / 1e6:6.2f} MB")


if __name__ == "__main__":
    main()
