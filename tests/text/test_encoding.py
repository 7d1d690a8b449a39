import codecs

import pytest

from fenlei.errors import DataError
from fenlei.text.encoding import detect_encoding, encoding_of

CHINESE = "标签,文本\n财经,央行下调利率\n"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (CHINESE.encode(), "utf-8"),
        (codecs.BOM_UTF8 + CHINESE.encode(), "utf-8-sig"),
        (CHINESE.encode("gbk"), "gb18030"),
        ((CHINESE + "𠮷").encode("gb18030"), "gb18030"),
        (CHINESE.encode("utf-16"), "utf-16"),
        (CHINESE.encode("utf-16-le"), "utf-16-le"),
        (CHINESE.encode("utf-16-be"), "utf-16-be"),
        ("中文文本".encode("gbk"), "gb18030"),
        ("财经新闻稿".encode("gbk"), "gb18030"),  # five characters, which charset-normalizer takes for Big5
        (b"plain,ascii\n", "utf-8"),
        (b"", "utf-8"),
    ],
)
def test_the_encodings_of_offices_are_told_apart(tmp_path, content, encoding):
    (tmp_path / "文件.csv").write_bytes(content)
    assert detect_encoding(tmp_path / "文件.csv") == encoding
    assert content.decode(encoding) is not None


def test_a_character_cut_at_the_end_of_the_sample_does_not_mislead():
    assert encoding_of(("汉" * 10).encode()[:-1], whole=False, name="x") == "utf-8"
    with pytest.raises(DataError):
        encoding_of(("汉" * 10).encode()[:-1], whole=True, name="x")


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(DataError, match=r"the character encoding of photo\.csv is not known") as caught:
        encoding_of(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0", whole=True, name="photo.csv")
    assert "--encoding" in caught.value.hint


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_wrong_byte_changes_no_encoding(encoding):
    content = ("央行今日下调利率，球队夺得冠军。" * 20).encode(encoding)
    assert encoding_of(content[:48] + b"\xff" + content[48:], whole=True, name="a") == encoding


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("L'équipe a gagné le championnat, l'hôpital a présenté un médicament. ", "cp1252"),
        ("Сегодня биржа объявила о новых правилах. ", "cp1251"),
    ],
)
def test_bytes_of_another_encoding_are_no_wrong_bytes(text, encoding):
    content = (text * 20).encode(encoding)
    assert content.decode(encoding_of(content, whole=True, name="a")) == text * 20


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        detect_encoding(tmp_path)


def test_a_few_zero_bytes_are_dirt_and_not_utf_16(tmp_path):
    assert encoding_of("央行降\0息\n球队夺冠\n".encode(), whole=True, name="a") == "utf-8"
    assert encoding_of("news, sports\n股市\n".encode("utf-16-le"), whole=True, name="a") == "utf-16-le"
    assert encoding_of("news\n".encode("utf-16-le"), whole=True, name="a") == "utf-16-le"
