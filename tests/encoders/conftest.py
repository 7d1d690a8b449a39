"""The small checkpoints of tests/checkpoints, and copies that lack something or hold something else."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from fenlei.encoders.tf_bundle import open_bundle

CHECKPOINTS = Path(__file__).resolve().parents[1] / "checkpoints"


@pytest.fixture(scope="session")
def checkpoints():
    return CHECKPOINTS


@pytest.fixture(scope="session")
def writer():
    """The module that writes checkpoints byte by byte."""
    spec = importlib.util.spec_from_file_location("bundle_writer", CHECKPOINTS / "bundle_writer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copied(tmp_path):
    """A function: the folder of a checkpoint copied to where it may be harmed."""

    def copy(name):
        return Path(shutil.copytree(CHECKPOINTS / name, tmp_path / name))

    return copy


@pytest.fixture
def rewritten(copied, writer):
    """A function: a copy whose variables went through `change`, a function of the dictionary of arrays."""

    def rewrite(name, change):
        folder = copied(name)
        (index,) = folder.glob("*.index")
        prefix = index.with_suffix("")
        bundle = open_bundle(prefix)
        writer.write_bundle(prefix, change({variable: bundle.read(variable) for variable in bundle.variables}))
        return folder

    return rewrite
