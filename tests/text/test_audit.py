import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from fenlei.text import duplicates
from fenlei.text.audit import Finding, audit_examples
from fenlei.text.example import Example
from fenlei.text.tokens import TextEncoder, TextSettings

BASE = "市场监管总局今日公布一批召回信息，涉及多家汽车企业的缺陷车型，车主可到店免费更换电池组件并登记信息。"


def rows(*pairs):
    return [Example(str(number), text, tuple(labels)) for number, (text, labels) in enumerate(pairs, 1)]


def by_kind(audit):
    return {finding.kind: finding for finding in audit.findings}


def test_counts():
    parts = {
        "a": rows(("文一", "甲乙"), ("文二更长", "甲"), ("文三", "")),
        "b": rows(("文四", "乙甲"), ("文五", "丙")),
    }
    audit = audit_examples(parts)
    assert audit.rows == {"a": 3, "b": 2}
    assert audit.task == "multilabel"
    assert audit.labels == {"甲": {"a": 2, "b": 1}, "乙": {"a": 1, "b": 1}, "丙": {"a": 0, "b": 1}}
    assert audit.pairs == (("乙", "甲", 2),) or audit.pairs == (("甲", "乙", 2),)
    assert audit.labels_a_row == {0: 1, 1: 2, 2: 2}
    assert (audit.characters.median, audit.characters.longest) == (2, 4)
    assert audit.tokens is None
    assert audit.to_dict()["labels"]["丙"]["b"] == 1
    assert by_kind(audit)["labels_not_in_first_file"].message == "1 label of b does not occur in a: 丙"


def test_what_is_wrong_is_found_problems_first():
    near = BASE.replace("今日", "昨日")
    filler = [(f"第{number}条，{'甲乙丙丁'[number % 4] * 9}", "甲") for number in range(6)]
    parts = {
        "train": rows((BASE, "甲"), (BASE, "乙"), (near, "甲"), ("有\u200b隐字", "甲"), ("乱\ufffd码", "Ａ"), *filler),
        "test": rows((BASE, "甲"), ("别的", "A")),
    }
    audit = audit_examples(parts)
    found = by_kind(audit)
    assert found["contradicting_labels"].count == 1
    assert found["exact_duplicates"].rows == ("train row 2", "test row 1")
    assert found["near_duplicates"].rows == ("train row 3",)
    assert found["invisible_characters"].message.startswith("1 text holds invisible characters, such as U+200B (1)")
    assert found["replacement_characters"].rows == ("train row 5",)
    assert found["label_spellings"].message.endswith("'A' (1), 'Ａ' (1)")
    assert found["rare_labels"].count == 3
    assert found["shared_texts"].message == "3 rows of train stand in test too, 2 of them exactly"
    severities = [finding.severity for finding in audit.findings]
    assert severities == sorted(severities)


def test_labels_made_of_others_are_found_where_rows_may_have_several():
    table = rows(("文", ["体育", "财经"]), ("书", ["体育、 财经"]), ("画", ["体育、时尚"]), ("诗", ["财经"]))
    [found] = [one for one in audit_examples({"a": table}).findings if one.kind == "joined_labels"]
    assert (found.count, found.severity) == (1, "problem")
    assert "1 label looks like several others joined by '、': '体育、 财经' (1); " in found.message
    assert "joined_labels" not in by_kind(audit_examples({"a": table}, task="multiclass"))


@pytest.mark.parametrize("sign", [*"/+& ", "\n"])
def test_labels_joined_by_a_sign_that_is_no_separator_are_found(sign):
    table = rows(("文", ["体育", "财经"]), ("书", [f"体育{sign}财经"]), ("画", [f"体育{sign}时尚"]))
    [found] = [one for one in audit_examples({"a": table}).findings if one.kind == "joined_labels"]
    assert f"1 label looks like several others joined by {sign!r}" in found.message


def test_nothing_is_found_where_nothing_is_wrong():
    texts = ["央行下调利率", "门将扑出点球", "新药获批上市", "暴雨致列车停运", "球队夺得冠军", "楼市成交回暖"]
    labelled = [
        (text + tail, label)
        for text in texts
        for tail, label in (("，市场反应平静", "甲"), ("。记者从现场发回报道", "乙"))
    ]
    assert audit_examples({"a": rows(*labelled)}).findings == ()


@pytest.mark.parametrize(
    ("label", "count", "message"),
    [("甲", 1, "all labels are '甲': there is nothing to learn"), ("", 0, "no row has a label: there is nothing to")],
)
def test_what_train_refuses_is_a_problem(label, count, message):
    found = by_kind(audit_examples({"a": rows(*((text, label) for text in "一二三四五六"))}))["too_few_labels"]
    assert (found.severity, found.count) == ("problem", count)
    assert message in found.message


def test_templates_are_reported():
    audit = audit_examples({"a": rows(*((f"{BASE}{number:05d}", "甲") for number in range(120)))})
    assert by_kind(audit)["giant_cluster"].count == 120
    assert "near_duplicates" not in by_kind(audit)


def test_large_tables_are_searched_for_near_duplicates_only_when_asked(monkeypatch):
    monkeypatch.setattr(duplicates, "SEARCHED", 2)
    parts = {"a": rows((BASE, "甲"), (BASE.replace("今日", "昨日"), "甲"), ("别的", "甲"))}
    assert "near_not_searched" in by_kind(audit_examples(parts))
    assert "near_duplicates" not in by_kind(audit_examples(parts))
    assert "near_duplicates" in by_kind(audit_examples(parts, near=True))
    assert "near_not_searched" not in by_kind(audit_examples(parts, near=False))


def test_tokens_and_what_is_cut():
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    encoder = TextEncoder(tokenizer, TextSettings(max_tokens=5))
    more = [Finding("unknown_characters", "remark", 1, "…")]
    audit = audit_examples({"a": rows(("一二", "甲"), ("一二三四五六", "甲"))}, text_encoder=encoder, more=more)
    assert audit.tokens.longest == 8
    assert audit.texts_cut == 0.5
    assert audit.tokens_cut == pytest.approx(3 / 12)
    assert more[0] in audit.findings
