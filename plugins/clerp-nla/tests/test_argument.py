import pytest
import torch

from clerp.errors import UsageError
from clerp_nla.argument import Argument, read_argument


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("org/pair", Argument("org/pair")),
        ("./pair,", Argument("./pair")),
        ("pair,org/model@v1", Argument("pair", "org/model@v1")),
        ("pair,./a=b", Argument("pair", "./a=b")),
        ("pair,dtype=bfloat16", Argument("pair", dtype=torch.bfloat16)),
        ("pair,device=cuda:1", Argument("pair", device="cuda:1")),
        (
            "pair,dtype=float32,model,device=cpu",
            Argument("pair", "model", "cpu", torch.float32),
        ),
    ],
)
def test_what_is_said_is_read_in_any_order(given: str, read: Argument) -> None:
    assert read_argument(given) == read


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("", ["no pair is named", "nla:FOLDER"]),
        (",model", ["no pair is named"]),
        ("pair,quantize=int8", ["the word quantize=", "Known are device= and dtype="]),
        ("pair,dtype=float16", ["precision 'float16'", "bfloat16, float32"]),
        ("pair,dtype=", ["precision ''"]),
        ("pair,a,b", ["a second model, after 'a'", "nla:PAIR,MODEL"]),
        ("pair,device=cpu,device=cuda", ["a second device, after 'cpu'"]),
    ],
)
def test_what_nobody_knows_is_refused_with_what_is_known(given: str, parts: list[str]) -> None:
    with pytest.raises(UsageError) as told:
        read_argument(given)
    for part in parts:
        assert part in str(told.value)
