"""Write what an annotator of roles reads: the evidence of every feature, without layer or score.

    python graphs/smollm2-135m/sheets.py --out build/sheets --pass 1

Sheets are shuffled by a hash of the pass's number and the feature, so that the two passes see them
in different orders; `key.json` says which feature a sheet is of.
"""

import argparse
import json
from hashlib import sha256
from pathlib import Path

from clerp.evidence import ActivationExample, FeatureEvidence
from clerp.evidence.folder import FolderSource
from clerp.feature import FeatureId
from clerp.graph import read_graph

HERE = Path(__file__).parent
GRAPHS = ("capital-of-france", "counting-to-six", "east-and-west", "man-in-the-mirror")
BEFORE, AFTER = 12, 9
PER_FILE = 52


def main() -> None:
    """Write the sheets of one pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pass", dest="number", type=int, required=True)
    arguments = parser.parse_args()
    folder = arguments.out / f"pass-{arguments.number}"
    folder.mkdir(parents=True, exist_ok=True)
    features = {f for slug in GRAPHS for f in read_graph(HERE / f"{slug}.json").features}
    order = sorted(features, key=lambda f: sha256(f"{arguments.number} {f}".encode()).digest())
    key = {f"s{number:03}": str(feature) for number, feature in enumerate(order)}
    (folder / "key.json").write_text(json.dumps(key, indent=1) + "\n")
    evidence = read_all(order)
    for start in range(0, len(order), PER_FILE):
        sheets = [
            write_sheet(f"s{start + place:03}", evidence[feature])
            for place, feature in enumerate(order[start : start + PER_FILE])
        ]
        (folder / f"sheets-{start // PER_FILE:02}.txt").write_text("\n\n".join(sheets) + "\n")


def read_all(features: list[FeatureId]) -> dict[FeatureId, FeatureEvidence]:
    """Read the bundled evidence."""
    known = FolderSource(str(HERE / "features")).read(features)
    return {k.feature: k for k in known if isinstance(k, FeatureEvidence)}


def write_sheet(name: str, known: FeatureEvidence) -> str:
    """Lay out the evidence of one feature."""
    density = "unknown" if known.density is None else f"{known.density:.2%}"
    lines = [
        f"## {name}   fires on {density} of tokens",
        "promoted: " + " | ".join(map(repr, known.promoted)),
        "suppressed: " + " | ".join(map(repr, known.suppressed)),
        *(lay_out(example) for example in known.top),
        "lower:",
        *(lay_out(example) for example in thin_out(known.lower)),
    ]
    return "\n".join(lines)


def thin_out(lower: tuple[ActivationExample, ...]) -> list[ActivationExample]:
    """Keep the first example of each quantile."""
    first: dict[str, ActivationExample] = {}
    for example in lower:
        first.setdefault(example.id.split(".")[0], example)
    return list(first.values())


def lay_out(example: ActivationExample) -> str:
    """Write one example on one line, the peak marked."""
    start = max(0, example.peak - BEFORE)
    before = "".join(example.tokens[start : example.peak])
    after = "".join(example.tokens[example.peak + 1 : example.peak + 1 + AFTER])
    begins = "|" if start == 0 else ""
    text = f"{begins}{before}«{example.tokens[example.peak]}»{after}"
    return "- " + text.replace("\n", "⏎").replace("\t", "→")


if __name__ == "__main__":
    main()
