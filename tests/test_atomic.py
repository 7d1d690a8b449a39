import pytest
from filelock import FileLock

from fenlei.atomic import alone_at, atomic_file, atomic_folder, delete_torn, is_occupied, write_text
from fenlei.errors import FenleiError


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old\n")
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_kill_left_is_found(tmp_path):
    """Also what a library had begun to write beside the file, as safetensors does."""
    write_text(tmp_path / "a-1.txt", "whole")
    writing = atomic_file(tmp_path / "a-2.txt")
    temporary = writing.__enter__()
    temporary.with_name(".tmpXYZ").write_text("half")
    assert len(list(tmp_path.iterdir())) == 2
    delete_torn(tmp_path, "a-")
    assert [path.name for path in tmp_path.iterdir()] == ["a-1.txt"]


def test_a_written_file_is_readable_by_others_as_usual(tmp_path):
    with atomic_file(tmp_path / "ours.txt") as temporary:
        temporary.touch(0o600)  # as some writers do
    (tmp_path / "plain.txt").write_text("1")
    assert (tmp_path / "ours.txt").stat().st_mode == (tmp_path / "plain.txt").stat().st_mode


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    target = tmp_path / "bundle"
    with atomic_folder(target) as folder:
        (folder / "one").write_text("1")
    with pytest.raises(RuntimeError), atomic_folder(target) as folder:
        (folder / "two").write_text("2")
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["one"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_is_replaced_whole(tmp_path, monkeypatch, exchanges):
    if not exchanges:  # as on a system that has no such call
        monkeypatch.setattr("fenlei.atomic._exchange", lambda one, other: False)
    target = tmp_path / "中文 路径"
    for name in ("one", "two"):
        with atomic_folder(target) as folder:
            (folder / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["two"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_and_its_files_are_readable_by_others_as_usual(tmp_path):
    with atomic_folder(tmp_path / "bundle") as folder:
        (folder / "private").write_text("1")
        (folder / "private").chmod(0o600)
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "file").write_text("1")
    assert (tmp_path / "bundle").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "bundle" / "private").stat().st_mode == (tmp_path / "plain" / "file").stat().st_mode


def test_a_place_is_occupied_by_a_file_or_by_what_a_folder_holds(tmp_path):
    assert not is_occupied(tmp_path / "nothing")
    assert not is_occupied(tmp_path)
    (tmp_path / "file").write_text("")
    assert is_occupied(tmp_path / "file")
    assert is_occupied(tmp_path)


def test_a_folder_behind_a_link_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "old").write_text("1")
    (tmp_path / "bundle").symlink_to(tmp_path / "disk")
    with atomic_folder(tmp_path / "bundle") as folder:
        (folder / "new").write_text("2")
    assert (tmp_path / "bundle").is_symlink()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["new"]
    assert {path.name for path in tmp_path.iterdir()} == {"bundle", "disk"}


def test_two_processes_do_not_work_on_one_file(tmp_path):
    with FileLock(tmp_path / ".a.lock"), pytest.raises(FenleiError, match="another command works on"):
        alone_at(tmp_path / "a").__enter__()
    with alone_at(tmp_path / "new" / "a"):
        (tmp_path / "new" / "a").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a"]


def test_a_file_system_without_locks_is_no_reason_not_to_work(tmp_path, monkeypatch):
    monkeypatch.setattr(FileLock, "acquire", lambda *_, **__: (_ for _ in ()).throw(NotImplementedError))
    with alone_at(tmp_path / "a"):
        (tmp_path / "works").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["works"]
