"""Runs that are really killed, or that find the disk full, and are resumed by the same command."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

resource = pytest.importorskip("resource", reason="limits on file size are POSIX's")
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
    require_same_weights(tmp_path / "whole", tmp_path / "killed")


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, tiny_encoder):
    data = write_rows(tmp_path / "行.csv")
    # With a probe every checkpoint has best weights in it.
    alone = "--no-linear-probe"
    subprocess.run(command(data, tmp_path / "whole", tiny_encoder, alone), check=True, capture_output=True)
    # Room for weights and two moments of the first epoch's checkpoints, not for the best weights that join them.
    room = int(3.6 * (tmp_path / "whole" / "model.safetensors").stat().st_size)
    full = subprocess.run(
        command(data, tmp_path / "full", tiny_encoder, alone),
        capture_output=True,
        encoding="utf-8",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )
    assert full.returncode == 1
    assert "Traceback" not in full.stderr
    assert "cannot be written" in full.stderr
    assert "go on from the one before with --resume" in full.stderr
    assert not (tmp_path / "full").exists()
    again = command(data, tmp_path / "full", tiny_encoder, alone, "--resume")
    subprocess.run(again, check=True, capture_output=True)
    require_same_weights(tmp_path / "whole", tmp_path / "full")


def test_twenty_kills_at_random_moments(tmp_path):
    script = Path(__file__).resolve().parents[2] / "benchmarks" / "kill_and_resume.py"
    done = subprocess.run(
        [sys.executable, script, "--kills", "20"], capture_output=True, encoding="utf-8", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kills"] == 20
    assert told["training runs that ended, all equal to the bit"] >= 1
    assert told["predictions that ended, all equal to the byte"] >= 1


def require_same_weights(whole, other):
    whole, other = (load_file(folder / "model.safetensors") for folder in (whole, other))
    assert whole.keys() == other.keys()
    for name, weight in whole.items():
        np.testing.assert_array_equal(weight, other[name], err_msg=name)
