"""Train the tiny pair and write it: `python -m clerp_nla.training OUT [--seed N]`."""

import argparse
import logging
from pathlib import Path

import torch

from clerp_nla.pair.pair import open_pair
from clerp_nla.training.folder import UNSEEN, write_folder
from clerp_nla.training.grammar import write_documents
from clerp_nla.training.measuring import measure_pair
from clerp_nla.training.places import visit
from clerp_nla.training.recipe import Recipe, train_tiny_pair
from clerp_nla.training.subject import LAYER

N_UNSEEN = 640
"""Vectors of which it is measured what the pair gives back."""

logger = logging.getLogger("clerp_nla.training")


def main() -> None:
    """Read the command line, train and write; about ten minutes of one CPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write, which must not exist")
    parser.add_argument("--seed", type=int, default=0, help="of documents and weights")
    given = parser.parse_args()
    if given.out.exists():
        parser.exit(1, f"{given.out} exists: name a new folder\n")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    # Sums of floats depend on how many threads share them.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    pair = train_tiny_pair(Recipe(), given.seed)
    logger.info("trained; last loss of the subject %.3f nats a token", pair.subject_loss)
    write_folder(given.out, pair, given.seed)
    unseen = write_documents(N_UNSEEN, given.seed + UNSEEN)
    places = visit(pair.subject, pair.tokenizer, unseen, LAYER, each=1, seed=given.seed)
    written = open_pair(str(given.out), device="cpu", dtype=torch.float32)
    logger.info("%s", measure_pair(written, places.explain(given.seed)))


if __name__ == "__main__":
    main()
