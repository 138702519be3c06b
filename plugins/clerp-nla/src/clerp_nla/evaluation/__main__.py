"""Evaluate the signals of trust on a tiny pair: `python -m clerp_nla.evaluation PAIR`.

It ends with exit code 1 where a control is trusted, or where what is suggestive is true no more
often than what is weak.
"""

import argparse
import asyncio
from pathlib import Path

import torch
from rich.console import Console

from clerp.errors import ClerpError
from clerp.plugins import find
from clerp_nla.evaluation.inputs import read_planted
from clerp_nla.evaluation.running import evaluate
from clerp_nla.evaluation.tables import list_failures, render, write_markdown
from clerp_nla.local import open_local

REPORTED = 20
"""Seed of what is reported. Whoever changes a threshold looks at other seeds for it."""


def main() -> None:
    """Read the command line, evaluate, show and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pair", help="folder of a pair that clerp_nla.training wrote")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--seed", type=int, default=REPORTED, help="of documents and features")
    parser.add_argument("--items", type=int, default=300, help="single vectors")
    parser.add_argument("--embedder", default="wordllama", help="of texts and claims")
    given = parser.parse_args()
    torch.set_num_threads(1)
    try:
        verbalizer, embedder = open_local(given.pair), find("embedders", given.embedder)
        planted = read_planted(Path(given.pair), verbalizer.reach())
        measured = asyncio.run(
            evaluate(verbalizer, embedder, seed=given.seed, n_items=given.items, planted=planted)
        )
    except ClerpError as error:
        parser.exit(error.exit_code, f"{error}\n")
    Console().print(render(measured))
    if given.out is not None:
        given.out.write_text(write_markdown(measured), encoding="utf-8")
    if failed := list_failures(measured):
        parser.exit(1, "".join(f"not as asked: {line}\n" for line in failed))


if __name__ == "__main__":
    main()
