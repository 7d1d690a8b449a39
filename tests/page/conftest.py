"""A small report with labels and texts that would like to be markup, and a browser to look at its page."""

import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from fenlei.judge.decision import Decision
from fenlei.judge.error_rows import error_rows
from fenlei.judge.evaluation import Baseline, build_report
from fenlei.judge.row_facts import Lengths
from fenlei.page.render import report_page
from fenlei.predict.origin import DataFile, Origin

HERE = Path(__file__).parent
EVIL = "</script><img src=x onerror=alert(1)>'\"&"
LABELS = ["财经/交易", "体育", f"坏{EVIL}", "健康\\u0041${1}", "缺席"]
ROWS = 160


def arrays(task="multilabel"):
    random = np.random.default_rng(0)
    if task == "multiclass":
        truth = np.eye(5, dtype=np.uint8)[random.integers(0, 4, ROWS)]
    else:
        truth = (random.random((ROWS, 5)) < [0.5, 0.3, 0.2, 0.1, 0]).astype(np.uint8)
    scores = np.clip(0.5 * truth + 0.6 * random.random(truth.shape), 0, 1)
    return truth, scores if task == "multilabel" else scores / scores.sum(axis=1, keepdims=True)


def texts():
    return [f"第{row}条：{'长' * (row * 5)}{EVIL}" for row in range(ROWS)]


def judged(task="multilabel", **more):
    truth, scores = arrays(task)
    decision = Decision.default(task)
    report = build_report(
        truth,
        scores,
        decision,
        LABELS,
        baseline=Baseline(name="TF-IDF + linear", predicted=decision.apply(scores**2), scores=scores**2),
        uncalibrated=scores**2,
        seen={"train": np.arange(ROWS) < 3, "dev": np.zeros(ROWS, bool)},
        training_rows=[900, 300, 100, 50, 4],
        lengths=Lengths(tokens=np.arange(ROWS) * 5, cut=np.arange(ROWS) > 100),
        **more,
    )
    ids = [f"{row}{EVIL if row == 7 else ''}" for row in range(ROWS)]
    return report, error_rows(ids, texts(), truth, scores, decision, LABELS)


def origin(**more):
    known = {
        "made": "2026-11-25T10:40:00+00:00",
        "bundle": "9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        "encoder": "starter",
        "runtime": {"device": "cpu", "precision": "float32", "threads": 1},
        "versions": {"fenlei": "0.1.0", "python": "3.11.7"},
        "training": {"epochs": 3, "best_epoch": 2, "loss": "zlpr"},
        "training_versions": {"torch": "2.13.0"},
        "history": tuple(
            {"epoch": i, "train_loss": 1 / i, "dev_loss": 1.2 / i, "dev_score": 1 - 1 / (i + 1)} for i in (1, 2, 3)
        ),
        "command": ("fenlei", "evaluate", "runs/我的 模型", f"数据{EVIL}.csv"),
        "data": (DataFile(name=f"数据{EVIL}.csv", bytes=1234, sha256="ab" * 32),),
    }
    return Origin(**known | more)


@pytest.fixture(scope="session")
def page():
    """The page of a multi-label report."""
    return report_page(*judged(), origin())


@pytest.fixture(scope="session")
def open_browser(tmp_path_factory):
    """Start Chromium; without one the test is skipped, or fails where FENLEI_REQUIRE_BROWSER says that it is there."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        assert not os.environ.get("FENLEI_REQUIRE_BROWSER"), "FENLEI_REQUIRE_BROWSER is set and there is no Chromium"
        pytest.skip("no Chromium is installed: apt-get install chromium fonts-noto-cjk")
    spec = importlib.util.spec_from_file_location("devtools", HERE / "devtools.py")
    devtools = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(devtools)
    opened = []

    def open_one():
        opened.append(devtools.Browser(program, tmp_path_factory.mktemp("profile")))
        return opened[-1]

    yield open_one
    for browser in opened:
        browser.close()
