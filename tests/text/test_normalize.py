import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenlei.errors import SettingsError
from fenlei.text.normalize import invisible_characters, normalize
from fenlei.text.tokens import TextSettings


def test_the_forms():
    text = "５Ｇ\u200b手机\ufeff，㈱\x07\n\t好"
    assert normalize(text, "none") == text
    assert normalize(text, "clean") == "５Ｇ手机，㈱\n\t好"
    assert normalize(text, "nfkc") == "5G手机,(株)\n\t好"
    assert invisible_characters(text) == ["\u200b", "\ufeff", "\x07"]


@pytest.mark.parametrize("form", ["none", "clean", "nfkc"])
@given(text=st.text())
def test_normalizing_twice_changes_nothing(form, text):
    once = normalize(text, form)
    assert normalize(once, form) == once
    if form != "none":
        assert not invisible_characters(once)


def test_an_unknown_form_is_refused():
    with pytest.raises(SettingsError, match="--normalize is 'nfd'; accepted are none, clean, nfkc"):
        TextSettings(max_tokens=9, normalize="nfd")
