"""What a file really is, when it is not what its name says: the usual ends of a failed download."""

from pathlib import Path

_KINDS = (
    (
        b"version https://git-lfs",
        "a Git-LFS pointer, not the file itself",
        "fetch the file with `git lfs pull`",
    ),
    (b"PK\x03\x04", "a zip archive", "unpack it first and name the folder that comes out"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first and name the folder that comes out"),
    (b"Rar!", "a RAR archive", "unpack it first and name the folder that comes out"),
    (b"\x00\x05\x16\x07", "a macOS resource file", "take the file of the same name without the leading `._`"),
)
_HTML = (b"<!doctype html", b"<html", b"<head", b"<?xml")


def mistaken_for(path: Path) -> tuple[str, str] | None:
    """What `path` holds instead of weights, and what to do about it; None where nothing is recognised.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        return "empty", "download it again"
    if head.lstrip().lower().startswith(_HTML):
        return "a web page", "the download link led to a page (a login, an error); download the file itself"
    for magic, what, remedy in _KINDS:
        if head.startswith(magic):
            return what, remedy
    return None
