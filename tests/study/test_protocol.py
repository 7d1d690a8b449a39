"""Rows are cut once for all runs, and a folder holds runs of one cut and one set of settings."""

import json
import shutil
from dataclasses import replace

import pytest

from fenlei import Example, SettingsError, TrainSettings
from fenlei.errors import DataError
from fenlei.runtime import Runtime
from fenlei.study.protocol import draw_rows, settle_folder, study_sizes

RUNTIME = Runtime(device="cpu", precision="float32", threads=1)


def rows(count, **more):
    return [
        Example(str(n), f"第{n * 7919}条{n * n}" * 3, ("甲", "乙", "丙")[: 1 + n % 3], **more) for n in range(count)
    ]


def test_sizes_leave_rows_to_judge_on():
    assert study_sizes(1000) == {"train": 700, "dev": 100, "judged": 200}
    assert study_sizes(10_000, 700) == {"train": 700, "dev": 100, "judged": 700}
    assert study_sizes(100, 5000) == {"train": 70, "dev": 10, "judged": 20}


def test_parts_share_no_row_and_no_group_and_a_seed_repeats_them():
    examples = [Example(r.id, r.text, r.labels, group=f"g{int(r.id) // 4}") for r in rows(120)]
    one = draw_rows(examples, None, train=60, dev=20, judged=30, seed=3)
    parts = (one.train, one.dev, one.judged)
    assert all(abs(len(part) - size) <= 4 for part, size in zip(parts, (60, 20, 30), strict=True))
    groups = [{row.group for row in part} for part in parts]
    assert groups[0].isdisjoint(groups[1] | groups[2])
    assert groups[1].isdisjoint(groups[2])
    assert (one.task, one.labels.names) == ("multilabel", tuple(sorted("甲乙丙")))
    assert draw_rows(examples, None, train=60, dev=20, judged=30, seed=3) == one


def test_a_label_of_any_row_is_taught_by_one():
    rare = [*rows(60), Example("x", "极少见的一条", ("丁",)), Example("y", "另一条极少见的", ("戊", "甲"))]
    for seed in range(8):
        drawn = draw_rows(rare, "multilabel", train=20, dev=20, judged=20, seed=seed)
        assert set(drawn.labels.names) == set("甲乙丙丁戊")


def test_too_few_rows_is_an_error():
    with pytest.raises(DataError, match="9 rows are too few for a study of train 6, dev 1, judged 3 rows"):
        draw_rows(rows(9), None, train=6, dev=1, judged=3, seed=0)


@pytest.fixture
def settle(tiny_encoder):
    def settled(folder, count=10, runtime=RUNTIME, *, of=rows, varying=("loss", "seed"), **more):
        more = {"encoder": str(tiny_encoder), **more}
        settle_folder(folder, [of(count)], TrainSettings(**more), runtime, varying=varying)

    return settled


def test_a_folder_of_other_settings_or_rows_is_refused_and_says_which(settle, tiny_encoder, tmp_path):
    folder = tmp_path / "study"
    settle(folder)
    settle(folder, loss="bce", seed=7)
    with pytest.raises(SettingsError, match="holds runs of other rows or settings: max_tokens was 300 and is now 40$"):
        settle(folder, max_tokens=40)
    with pytest.raises(SettingsError, match="loss was None and is now 'bce'$"):
        settle(folder, loss="bce", varying=("seed",))
    with pytest.raises(SettingsError, match=r"data was '\w+' and is now '\w+'; rows was \[10\] and is now \[11\]"):
        settle(folder, 11)
    for change in ({"labels": ("甲",)}, {"group": "一"}):
        with pytest.raises(SettingsError, match=r"settings: data was '\w+' and is now '\w+'$"):
            settle(folder, of=lambda count, change=change: [replace(row, **change) for row in rows(count)])
    with pytest.raises(SettingsError, match="threads was 1 and is now 2") as caught:
        settle(folder, runtime=Runtime(device="cpu", precision="float32", threads=2))
    assert "--out" in caught.value.hint
    shutil.copytree(tiny_encoder, tmp_path / "encoder")
    settle(tmp_path / "other", encoder=str(tmp_path / "encoder"))
    (tmp_path / "encoder" / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"encoder_sha256 was '\w+' and is now '\w+'$"):
        settle(tmp_path / "other", encoder=str(tmp_path / "encoder"))


def test_a_folder_of_something_else_is_refused(settle, tmp_path):
    (tmp_path / "thesis.docx").write_bytes(b"")
    with pytest.raises(SettingsError, match="exists and holds no runs of fenlei"):
        settle(tmp_path)
    for content in ("{", "[]"):
        (tmp_path / "study.json").write_text(content)
        with pytest.raises(SettingsError, match="study.json is damaged"):
            settle(tmp_path)
    (tmp_path / "study.json").unlink()
    (tmp_path / "thesis.docx").unlink()
    settle(tmp_path)
    assert json.loads((tmp_path / "study.json").read_text("utf-8"))["rows"] == [10]
