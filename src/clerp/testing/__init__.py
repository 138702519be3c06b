"""What a plugin's author needs to test a plugin, under any test runner.

Checks of the contract in `clerp.plugins`, one for each kind; builders of the data that plugins are
given; a labeler that does what a test tells it to; and verbalizers of a small world that is fully
known::

    from clerp.testing import check_labeler, check_registered

    def test_hello_keeps_the_contract():
        check_labeler(HelloLabeler())

    def test_hello_is_installed():
        check_registered("labelers", "hello")

A check passes, or raises `ContractError` with one sentence that says what the contract asks.
"""

from clerp.testing.builders import make_evidence, make_example, make_request, make_route
from clerp.testing.contract import ContractError
from clerp.testing.embedders import check_embedder
from clerp.testing.fake_labeler import FakeLabeler
from clerp.testing.fake_verbalizer import FakePassageVerbalizer, FakeVectorVerbalizer
from clerp.testing.groupers import check_grouper
from clerp.testing.labelers import check_labeler
from clerp.testing.planting import KINDS, Planted, plant
from clerp.testing.readers import check_reader
from clerp.testing.registered import check_registered
from clerp.testing.sources import check_source
from clerp.testing.verbalizers import check_verbalizer

__all__ = [
    "KINDS",
    "ContractError",
    "FakeLabeler",
    "FakePassageVerbalizer",
    "FakeVectorVerbalizer",
    "Planted",
    "check_embedder",
    "check_grouper",
    "check_labeler",
    "check_reader",
    "check_registered",
    "check_source",
    "check_verbalizer",
    "make_evidence",
    "make_example",
    "make_request",
    "make_route",
    "plant",
]
