"""A training run that is really killed, and resumed by the same command."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")


def write_rows(path):
    random = np.random.default_rng(0)
    lines = ["text,labels"]
    for number in range(300):
        label = random.choice(["财经", "体育", "健康"])
        words = {"财经": "股票涨跌", "体育": "球队比赛", "健康": "新药临床"}[str(label)]
        lines.append(f"{''.join(random.permutation(list(words)))}的消息{number},{label}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def command(data, out, encoder, *more):
    train = ["train", data, "--out", out, "--encoder", encoder, "--max-tokens", 40, "--epochs", 6, "--threads", 1]
    arguments = [*train, "--precision", "float32", "--checkpoint-every", 7, *more]
    return [sys.executable, "-c", "from fenlei.cli import main; main()", *map(str, arguments)]


def test_a_killed_run_resumes_to_the_same_weights(tmp_path, tiny_encoder):
    data = write_rows(tmp_path / "行.csv")
    subprocess.run(command(data, tmp_path / "whole", tiny_encoder), check=True, capture_output=True)
    run = tmp_path / "killed.run"
    process = subprocess.Popen(
        command(data, tmp_path / "killed", tiny_encoder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while len(list(run.glob("checkpoint-*"))) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, "the run ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed").exists()

    done = subprocess.run(
        command(data, tmp_path / "killed", tiny_encoder, "--resume"), check=True, capture_output=True, encoding="utf-8"
    )
    assert "resumed    in epoch" in done.stderr
    whole, killed = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    for name, weight in whole.items():
        np.testing.assert_array_equal(weight, killed[name], err_msg=name)
