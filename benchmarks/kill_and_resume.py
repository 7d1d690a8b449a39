"""Kill training and prediction at random moments, start them again, and compare the end with an undisturbed run.

    python benchmarks/kill_and_resume.py --kills 1000

Every kill is SIGKILL to a process that runs the command line. Half of them hit `fenlei train` (resumed with
--resume; the weights must be equal to the bit), half `fenlei predict` (the file must be equal to the byte).
Prints a line of JSON; exits with 1 at the first difference. POSIX only, since it forks to save the imports.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# One thread a process: forked OpenMP pools do not survive.
os.environ["OMP_NUM_THREADS"] = "1"

import torch
from transformers import BertConfig, BertModel

import fenlei.predict.files
import fenlei.train.job  # noqa: F401  (imported once here, not in every fork)
from fenlei.cli import main

WORDS = {"财经": "股票涨跌银行利率", "体育": "球队比赛决赛冠军", "健康": "新药临床医院疫苗"}


def write_encoder(folder: Path) -> Path:
    """A random BERT of width 32."""
    folder.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set("".join(WORDS.values()))), *"0123456789"]
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return folder


def write_rows(path: Path, count: int) -> Path:
    draw = random.Random(0)
    lines = ["text,labels"]
    for number in range(count):
        labels = draw.sample(sorted(WORDS), draw.randint(0, 2))
        signs = [sign for label in labels for sign in draw.sample(WORDS[label], 4)] + list(str(number))
        draw.shuffle(signs)
        lines.append(f"{''.join(signs)},{'|'.join(labels)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def start(arguments: list[str]) -> int:
    """Run the command line in a forked process; returns its id."""
    process = os.fork()
    if process:
        return process
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    errors = os.open("errors.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(errors, 2)
    sys.argv = ["fenlei", *arguments]
    code = 70
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        os._exit(code)


def ended(process: int, seconds: float | None) -> bool:
    """Wait for the end, at most so long; then kill. Returns whether it ended by itself."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        done, status = os.waitpid(process, 0 if deadline is None else os.WNOHANG)
        if done:
            if status:
                raise SystemExit(f"the command failed: {Path('errors.txt').read_text(encoding='utf-8')[-2000:]}")
            return True
        if deadline is not None and time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return False
        time.sleep(0.002)


def kill_often(kills: int, command: Callable[[], list[str]], finished: Callable[[], None], longest: float) -> int:
    """Kill the command `kills` times at random moments of its run; returns how often it came to its end."""
    draw, done, ends = random.Random(1), 0, 0
    while done < kills:
        if ended(start(command()), draw.uniform(0, longest)):
            finished()
            ends += 1
        else:
            done += 1
    ended(start(command()), None)
    finished()
    return ends + 1


def require_equal(file: Path, reference: Path) -> None:
    if file.read_bytes() != reference.read_bytes():
        raise SystemExit(f"{file} differs from the undisturbed {reference}")


def timed(arguments: list[str]) -> float:
    began = time.monotonic()
    ended(start(arguments), None)
    return time.monotonic() - began


def run(kills: int) -> dict[str, object]:
    encoder = write_encoder(Path("encoder"))
    rows, texts = write_rows(Path("rows.csv"), 300), write_rows(Path("texts.csv"), 20_000)
    common = ["--threads", "1", "--precision", "float32"]
    train = ["train", str(rows), "--encoder", str(encoder), "--max-tokens", "40", "--epochs", "4", *common]
    train += ["--checkpoint-every", "3"]
    train_seconds = timed([*train, "--out", "whole"])
    predict = ["predict", "whole", str(texts), "--top-k", "2", *common]
    predict_seconds = timed([*predict, "--out", "whole.csv"])

    left_over: set[str] = set()

    def train_command() -> list[str]:
        resume = ["--resume"] if Path("killed.run/journal.jsonl").exists() else []
        # A kill between the last rename and the end leaves a whole bundle.
        return [*train, "--out", "killed", *resume, "--overwrite"]

    def train_finished() -> None:
        require_equal(Path("killed/model.safetensors"), Path("whole/model.safetensors"))
        left_over.update(str(path) for path in Path().rglob(".*"))
        shutil.rmtree("killed")
        shutil.rmtree("killed.run")

    def predict_finished() -> None:
        require_equal(Path("killed.csv"), Path("whole.csv"))
        Path("killed.csv").unlink()

    ends = kill_often(kills - kills // 2, train_command, train_finished, train_seconds)
    predict_ends = kill_often(
        kills // 2, lambda: [*predict, "--out", "killed.csv", "--overwrite"], predict_finished, predict_seconds
    )
    return {
        "kills": kills,
        "training runs that ended, all equal to the bit": ends,
        "predictions that ended, all equal to the byte": predict_ends,
        "left over": sorted(left_over),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    wanted = parser.parse_args().kills
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        print(json.dumps(run(wanted), ensure_ascii=False))
        os.chdir("/")
