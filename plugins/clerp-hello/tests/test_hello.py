import pytest

from clerp.errors import UsageError
from clerp.labels import Abstention, Label
from clerp.testing import check_labeler, check_registered, make_evidence, make_request
from clerp_hello import HelloLabeler

TEXTS = [(" in", " Texas", " today"), (" an", " Ohio", " man"), (" from", " Texas", ".")]


def test_it_keeps_the_contract() -> None:
    check_labeler(HelloLabeler())


def test_it_is_installed() -> None:
    check_registered("labelers", "hello")


async def test_the_commonest_peak_is_the_label() -> None:
    label = await HelloLabeler().label(make_request(make_evidence(TEXTS)))

    assert isinstance(label, Label)
    assert label.text == "Texas"
    assert label.evidence == ("0.0", "0.2")


async def test_without_a_common_peak_it_declines() -> None:
    answer = await HelloLabeler().label(make_request(make_evidence(TEXTS[:2])))

    assert answer == Abstention("hello", "no token is the peak of two of 2 examples")


def test_it_takes_no_argument() -> None:
    with pytest.raises(UsageError, match="takes no argument"):
        HelloLabeler("loudly")
