"""`clerp calibrate`: ordinary text of one's own, or for another embedder."""

from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    corpus: Annotated[
        Path,
        typer.Option(help="Ordinary text: JSON Lines with `text` (.jsonl), or one text (.txt)."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write, made where there is none.")],
    embedder: Annotated[
        str, typer.Option(help="Embedder, NAME or NAME:ARGUMENT: wordllama.")
    ] = "wordllama",
) -> None:
    """Count a corpus as the ordinary text that features are compared with.

    Takes about a minute for three million words. For another embedder of the same corpus, name the
    same folder: the counts come out the same, and each embedder has its own file beside them.
    """
    from clerp.ordinary import build_ordinary, read_documents, write_ordinary
    from clerp.ordinary.making import prepare_folder
    from clerp.plugins import find

    documents = read_documents(corpus)
    chosen = find("embedders", embedder)
    prepare_folder(out)
    files = build_ordinary(documents, name=corpus.stem, embedder=chosen)
    for path in write_ordinary(files, out):
        typer.echo(f"Written: {path}", err=True)
