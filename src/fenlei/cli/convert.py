"""`fenlei convert`: a TensorFlow checkpoint or PyTorch pickles -> a Hugging Face directory and a report."""

from pathlib import Path
from typing import Annotated

import typer


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="TensorFlow checkpoint (folder, prefix, .index or .data-… file) or folder with .bin weights."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Folder for the Hugging Face directory.")],
    num_attention_heads: Annotated[
        int | None, typer.Option(help="Attention heads, where no configuration states them.")
    ] = None,
    num_hidden_layers: Annotated[
        int | None, typer.Option(help="Layers of an ALBERT, where no configuration states them.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The configuration, where it does not lie beside the weights.")
    ] = None,
    vocab: Annotated[Path | None, typer.Option(help="The vocab.txt, where it does not lie beside the weights.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the encoder at OUT.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, every name in it.")] = False,
) -> None:
    """Turn a checkpoint of the BERT era into a Hugging Face directory; say what was read and what left out.

    BERT and the RoBERTa and wwm kinds, ELECTRA, and both kinds of ALBERT-zh, as TensorFlow 1 saved them.
    """
    from fenlei.cli.reading import json_text, print_data
    from fenlei.encoders.convert import convert as convert_encoder

    report = convert_encoder(
        source,
        out,
        num_attention_heads=num_attention_heads,
        num_hidden_layers=num_hidden_layers,
        config=config,
        vocab=vocab,
        overwrite=overwrite,
    )
    if as_json:
        print_data(json_text(report.to_dict()))
    else:
        print("\n".join(report.lines()))
