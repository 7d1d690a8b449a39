"""The command line as a user types it."""

import sys

import pytest

from fenlei.cli import main


@pytest.fixture
def fenlei(monkeypatch, capsys):
    def run(*arguments, expect=0):
        monkeypatch.setattr(sys, "argv", ["fenlei", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
            raise SystemExit(0)
        captured = capsys.readouterr()
        assert (ended.value.code or 0) == expect, captured.err
        return captured

    return run
