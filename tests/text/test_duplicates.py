import numpy as np
import pytest

from fenlei.text.duplicates import NEAR, connected, find_duplicates, jaccard, ngrams_of

BASE = "市场监管总局今日公布一批召回信息，涉及多家汽车企业的缺陷车型，车主可到店免费更换电池组件并登记信息。"


def similarity(text, other):
    return jaccard(ngrams_of(text), ngrams_of(other))


def test_exact_and_near_duplicates():
    texts = [
        BASE,
        "今天有雾",
        BASE.replace("今日", "昨日"),
        f" {BASE} ",
        "今天有霾，能见度低，出行请注意安全",
        "ＡＢＣ 的",
        "abc 的",
    ]
    found = find_duplicates(texts)
    assert found.exact.tolist() == [0, 1, 2, 0, 4, 5, 5]
    assert [(row, other) for row, other, _ in found.pairs] == [(2, 0)]
    assert found.pairs[0][2] == pytest.approx(similarity(texts[2], texts[0]))
    assert found.near[0] == found.near[2] == found.near[3]
    assert len(set(found.near.tolist())) == 4
    exact_only = find_duplicates(texts, near=False)
    assert exact_only.near.tolist() == exact_only.exact.tolist()
    assert exact_only.pairs == ()


def shuffled_copies(count, seed=0, changes=2):
    """`count` texts, each with a copy in which a few characters differ."""
    random = np.random.default_rng(seed)
    letters = [chr(0x4E00 + number) for number in range(3000)]
    texts = ["".join(random.choice(letters, size=int(random.integers(40, 120)))) for _ in range(count)]
    copies = []
    for text in texts:
        signs = list(text)
        for place in random.choice(len(signs), size=changes, replace=False):
            signs[place] = str(random.choice(letters))
        copies.append("".join(signs))
    return texts, copies


def test_what_is_said_to_be_near_is_and_little_is_missed():
    texts, copies = shuffled_copies(300)
    found = {(row, other): value for row, other, value in find_duplicates(texts + copies).pairs}
    true = {
        (300 + row, row): value
        for row, (text, copy) in enumerate(zip(texts, copies, strict=True))
        if (value := similarity(text, copy)) >= NEAR
    }
    assert set(found) <= set(true), "only verified pairs"
    assert all(found[pair] == pytest.approx(true[pair]) for pair in found)
    assert len(true) > 150
    assert len(found) >= 0.95 * len(true)


def test_templates_are_giants_and_do_not_take_forever():
    texts = [f"{BASE}编号{number:05d}" for number in range(400)] + ["今天有雾", "今天有雾"]
    found = find_duplicates(texts)
    [giant] = found.giants()
    # Copies of one text stay together, however many there are.
    copies = find_duplicates(["好评"] * 200 + ["别的"])
    assert copies.giants() == []
    assert len(set(copies.together()[:200].tolist())) == 1
    assert giant.tolist() == list(range(400))
    # Only a few of them are compared with each newcomer.
    assert len(found.pairs) < 400 * 40
    together = found.together()
    assert len(set(together[:400].tolist())) == 400
    assert together[400] == together[401]


def test_a_giant_is_more_than_a_fiftieth_and_its_texts_get_numbers_that_no_other_has():
    forms = [f"{BASE}编号{number:05d}" for number in range(60)]
    rng = np.random.default_rng(0)
    others = ["".join(map(chr, rng.integers(0x4E00, 0x9000, 12))) for _ in range(2_970)]
    assert [len(rows) for rows in find_duplicates(forms + others[:2_800]).giants()] == [60]
    assert find_duplicates(forms + others[:2_970]).giants() == []
    together = find_duplicates([*forms, *others[:100], *forms[:1]]).together()
    assert len(set(together.tolist())) == 160
    assert together[-1] == together[0]


def test_a_text_with_many_neighbours_leads_to_others_that_those_do_not():
    letters = [chr(0x4E00 + number) for number in np.random.default_rng(0).permutation(800)]

    def changed(text, **at):
        return "".join(at.get(f"_{place}", letter) for place, letter in enumerate(text))

    template = letters[:60]
    variants = [changed(template, _0=letters[100 + number]) for number in range(33)]
    one = changed(template, _30=letters[200], _59=letters[201])
    other = changed(one, _15=letters[202], _45=letters[203])
    assert max(similarity(other, variant) for variant in variants) < 0.8 <= similarity(one, other)
    found = find_duplicates([*variants, one, other])
    assert (34, 33) in [(row, earlier) for row, earlier, _ in found.pairs]


def test_connected_components_through_others():
    numbers = connected(5, [(0, 1), (1, 2), (3, 3)])
    assert numbers[0] == numbers[1] == numbers[2]
    assert len(set(numbers.tolist())) == 3


def test_short_and_empty_texts():
    assert find_duplicates([]).near.tolist() == []
    found = find_duplicates(["好", "好", "坏", "一二"])
    assert len(set(found.near.tolist())) == 3
    assert similarity("好", "坏") == 0
    assert similarity("Ａ", "a") == 1
