import itertools
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from clerp import plugins
from clerp.errors import PluginError
from clerp.testing import ContractError, FakeLabeler, check_registered

numbers = itertools.count()


def make_named(argument: str) -> FakeLabeler:
    return FakeLabeler(name=argument or "fake")


def make_numbered(argument: str) -> FakeLabeler:
    return FakeLabeler(name=f"fake {next(numbers)}")


def make_nothing(argument: str) -> None: ...


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def install(factory: str) -> None:
        entry = EntryPoint("fake", f"{__name__}:{factory}", "clerp.labelers")
        monkeypatch.setattr(plugins, "entry_points", EntryPoints([entry]).select)
        monkeypatch.setattr(EntryPoint, "load", lambda self: globals()[factory])

    return install


def test_a_plugin_is_found_by_name_and_argument(register: Callable[[str], None]):
    register("make_named")
    check_registered("labelers", "fake")
    with pytest.raises(ContractError, match="must hold no path"):
        check_registered("labelers", "fake:/data/w.bin")


def test_a_plugin_made_again_is_called_the_same(register: Callable[[str], None]):
    register("make_numbered")
    with pytest.raises(ContractError, match="'fake' is called 'fake 0' and, made again, 'fake 1'"):
        check_registered("labelers", "fake")


def test_an_entry_point_must_give_a_plugin(register: Callable[[str], None]):
    register("make_nothing")
    with pytest.raises(ContractError, match="NoneType is no labeler"):
        check_registered("labelers", "fake")


def test_what_is_not_installed_is_told_so():
    with pytest.raises(PluginError, match="there is no labeler 'absent'"):
        check_registered("labelers", "absent")
