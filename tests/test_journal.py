import io
import json

from rich.console import Console

from fenlei.journal import Journal


def test_events_are_json_lines(tmp_path):
    with Journal(tmp_path / "j.jsonl") as journal:
        journal.record("start", 行=3)
        journal.record("end")
    lines = [json.loads(line) for line in (tmp_path / "j.jsonl").read_text("utf-8").splitlines()]
    assert [(line["event"], line.get("行")) for line in lines] == [("start", 3), ("end", None)]
    assert lines[0]["time"] <= lines[1]["time"]


def test_a_pipe_gets_a_line_now_and_then_and_no_control_codes(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("fenlei.journal.time.monotonic", lambda: now[0])
    out = io.StringIO()
    with Journal(console=Console(file=out, width=100)) as journal:
        journal.begin("epoch 1/2", 1000)
        journal.advance(400, resumed=True)
        for _ in range(5):
            now[0] += 10
            journal.advance(100)
        assert journal.end() == 10.0
    assert out.getvalue() == "epoch 1/2: 700/1,000  10 texts/s  0:30 left\n"


def test_what_comes_later_is_told_beside_what_is_left(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("fenlei.journal.time.monotonic", lambda: now[0])
    out = io.StringIO()
    with Journal(console=Console(file=out, width=100)) as journal:
        journal.begin("epoch 1/3", 1000, later=2000, rest=15.0)
        now[0] = 40.0
        journal.advance(400)
    assert out.getvalue() == "epoch 1/3: 400/1,000  10 texts/s  1:00 left (all epochs: at most 4:35)\n"


def test_a_terminal_gets_a_live_line(monkeypatch):
    out = io.StringIO()
    with Journal(console=Console(file=out, force_terminal=True, width=100)) as journal:
        journal.begin("dev", 10)
        journal.advance(10)
        journal.end()
        journal.say("a line [that] stays")
    assert "a line [that] stays" in out.getvalue()


def test_without_a_place_nothing_is_written():
    with Journal() as journal:
        journal.begin("dev", 1)
        journal.advance(1)
        journal.record("x")
        journal.say("x")
        journal.end()
