"""Where a report comes from."""

import hashlib

from fenlei.predict.origin import data_files


def test_a_file_is_known_by_its_content(tmp_path):
    path = tmp_path / "数据.csv"
    path.write_bytes(b"text,labels\n" * 100_000)
    [known] = data_files([path])
    assert known.name == str(path)
    assert known.bytes == path.stat().st_size
    assert known.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_folder_is_known_by_names_and_contents_of_its_files(tmp_path):
    def digest(files):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, content in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
        [known] = data_files([folder])
        assert known.bytes == sum(len(content) for _, content in files)
        return known.sha256

    files = [("体育/a.txt", "x"), ("财经/b.txt", "yy")]
    assert digest(files) == digest(files[::-1])
    others = [
        [("体育/a.txt", "x")],
        [("体育/a.txt", "x"), ("财经/c.txt", "yy")],
        [("体育/a.txt", "z"), ("财经/b.txt", "yy")],
    ]
    assert len({digest(files), *map(digest, others)}) == 4


def test_no_files_no_digests():
    assert data_files([]) == ()
