"""Plugins are found among distributions that are installed for the test, as files on the path."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clerp.errors import PluginError
from clerp.plugins import (
    KINDS,
    Kind,
    find,
    find_command,
    find_reader,
    is_command,
    is_registered,
    list_commands,
    list_registered,
)

Install = Callable[..., None]

MODULE = "clerp_test_plugin"
ECHO = "class Echo:\n    def __init__(self, argument):\n        self.name = argument\n"
READER = f"{ECHO}\n    def read(self, source):\n        return {{}}\n"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution with one module, and entry points written `NAME = MODULE:OBJECT`."""

    def install(
        entries: str,
        *,
        kind: str = "labelers",
        distribution: str = "clerp-test",
        code: str = ECHO,
        module: str = MODULE,
    ) -> None:
        site = tmp_path / distribution
        info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
        (info / "METADATA").write_text(metadata)
        (info / "entry_points.txt").write_text(f"[clerp.{kind}]\n{entries}\n")
        (site / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(site)
        # Set and unset, so that the module is forgotten after the test.
        monkeypatch.setitem(sys.modules, module, sys)
        monkeypatch.delitem(sys.modules, module)

    return install


def make(kind: Kind, name: str) -> str:
    """Find a plugin and return its name, which `Echo` sets to the argument."""
    return find(kind, name).name


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_of_every_kind_is_found_by_name(install: Install, kind: Kind):
    install(f"echo = {MODULE}:Echo", kind=kind)

    assert make(kind, "echo:hello") == "hello"


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("echo", ""),
        ("echo:", ""),
        ("echo:model", "model"),
        ("echo:model@http://127.0.0.1:80/v1", "model@http://127.0.0.1:80/v1"),
        ("echo: a:b ", " a:b "),
    ],
)
def test_a_plugin_is_given_all_that_follows_the_first_colon(
    install: Install, name: str, argument: str
):
    install(f"echo = {MODULE}:Echo")

    assert make("labelers", name) == argument


def test_a_function_can_make_the_plugin(install: Install):
    code = f"{ECHO}\ndef make(argument):\n    return Echo(argument.upper())\n"
    install(f"echo = {MODULE}:make", code=code)

    assert make("labelers", "echo:hello") == "HELLO"


def test_each_time_a_plugin_is_made_anew(install: Install):
    install(f"echo = {MODULE}:Echo")

    assert find("labelers", "echo") is not find("labelers", "echo")


def test_an_unknown_name_is_answered_with_the_known_ones(install: Install):
    install(f"zeta = {MODULE}:Echo\nalpha = {MODULE}:Echo", kind="verbalizers")

    with pytest.raises(PluginError, match="there is no verbalizer 'beta'") as raised:
        find("verbalizers", "beta:argument")

    assert raised.value.remedy.startswith("Installed: alpha, ")
    assert raised.value.remedy.endswith("zeta")


def test_where_nothing_is_installed_that_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clerp.plugins.entry_points", lambda **_: ())

    with pytest.raises(PluginError) as raised:
        find("groupers", "any")

    assert str(raised.value) == "there is no grouper 'any'. Installed: none"


def test_the_same_name_in_another_kind_is_not_found(install: Install):
    install(f"only-here = {MODULE}:Echo", kind="groupers")

    assert is_registered("groupers", "only-here")
    assert not is_registered("verbalizers", "only-here")
    with pytest.raises(PluginError, match="there is no verbalizer 'only-here'"):
        find("verbalizers", "only-here")


def test_a_name_that_two_distributions_register_is_refused(install: Install):
    install(f"echo = {MODULE}:Echo", distribution="clerp-alpha")
    install(f"echo = {MODULE}:Echo", distribution="clerp-zeta")

    with pytest.raises(PluginError) as raised:
        find("labelers", "echo")

    assert str(raised.value) == (
        "clerp-alpha and clerp-zeta both register the labeler 'echo'. Uninstall one of them"
    )


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(f"import clerp_test_missing\n{ECHO}", id="when it is imported"),
        pytest.param("def Echo(argument):\n    import clerp_test_missing\n", id="when it is made"),
    ],
)
def test_a_missing_dependency_is_answered_with_the_line_that_installs_it(
    install: Install, code: str
):
    install(f"echo = {MODULE}:Echo", code=code)

    with pytest.raises(PluginError) as raised:
        find("labelers", "echo:model")

    assert str(raised.value) == (
        "labeler 'echo' needs the module 'clerp_test_missing', which is not installed. "
        "Run: pip install 'clerp-test'"
    )


def test_a_fault_of_the_plugin_is_not_taken_for_a_missing_dependency(install: Install):
    code = "def Echo(argument):\n    raise ValueError('broken inside')\n"
    install(f"echo = {MODULE}:Echo", code=code)

    with pytest.raises(ValueError, match="broken inside"):
        find("labelers", "echo")


def test_no_plugin_is_imported_before_its_name_is_asked_for(install: Install):
    other = "clerp_test_other"
    install(f"echo = {MODULE}:Echo")
    install(f"other = {other}:Echo", distribution="clerp-other", module=other)

    registered = {(entry.kind, entry.name) for entry in list_registered()}
    assert {("labelers", "echo"), ("labelers", "other")} <= registered
    assert is_registered("labelers", "other")
    find("labelers", "echo")

    assert MODULE in sys.modules
    assert other not in sys.modules


def test_a_plugin_that_cannot_be_imported_is_listed_all_the_same(install: Install):
    install(f"echo = {MODULE}:Echo", code="raise RuntimeError\n")

    (listed,) = [entry for entry in list_registered() if entry.distribution == "clerp-test"]
    assert (listed.kind, listed.name, listed.version) == ("labelers", "echo", "1.2")


def test_what_is_listed_is_sorted_by_kind_name_and_distribution(install: Install):
    install(f"a = {MODULE}:Echo", distribution="clerp-test-a")
    install(f"b = {MODULE}:Echo\na = {MODULE}:Echo", distribution="clerp-test-z")
    install(f"c = {MODULE}:Echo", kind="sources", distribution="clerp-test-s")

    listed = [e for e in list_registered() if e.distribution.startswith("clerp-test-")]
    assert [(e.kind, e.name, e.distribution) for e in listed] == [
        ("sources", "c", "clerp-test-s"),
        ("labelers", "a", "clerp-test-a"),
        ("labelers", "a", "clerp-test-z"),
        ("labelers", "b", "clerp-test-z"),
    ]


@pytest.mark.parametrize("name", ["echo", "echo:argument", "echo:"])
def test_a_registered_name_is_known_with_and_without_an_argument(install: Install, name: str):
    assert not is_registered("labelers", name)
    install(f"echo = {MODULE}:Echo")

    assert is_registered("labelers", name)


def test_clerps_own_parts_come_in_through_the_same_door():
    own = {(e.kind, e.name) for e in list_registered() if e.distribution == "clerp"}

    assert {
        ("sources", "folder"),
        ("embedders", "wordllama"),
        ("labelers", "token-frequency"),
    } <= own
    assert find("labelers", "token-frequency").name == "token-frequency"


def test_a_reader_is_found_by_the_suffix_of_a_file(install: Install):
    install(f".echo = {MODULE}:Echo", kind="readers", code=READER)
    for path in ("a/graph.echo", Path("graph.echo")):
        assert find_reader(path) is not None
    assert find_reader("graph.json") is None
    assert find_reader("graph") is None


def test_a_reader_is_found_by_the_class_of_an_object_or_a_base_of_it(install: Install):
    class Graph:
        pass

    class Derived(Graph):
        pass

    name = f"{Graph.__module__}.{Graph.__qualname__}"
    install(f"{name} = {MODULE}:Echo", kind="readers", code=READER)
    assert find_reader(Graph()) is not None
    assert find_reader(Derived()) is not None
    assert find_reader(object()) is None


@pytest.mark.parametrize(
    ("kind", "name", "owner"),
    [
        ("sources", "neuronpedia:m/s", "clerp-neuronpedia"),
        ("sources", "huggingface:o/r", "clerp-circuit-tracer"),
        ("readers", ".pt", "clerp-circuit-tracer"),
    ],
)
def test_what_the_documentation_names_says_what_to_install(
    nothing_installed: None, kind: Kind, name: str, owner: str
):
    with pytest.raises(PluginError) as raised:
        find(kind, name)
    assert raised.value.remedy == f"Run: pip install {owner}"


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clerp.plugins.entry_points", lambda **_: ())


def test_a_file_that_needs_a_plugin_says_which(nothing_installed: None):
    with pytest.raises(PluginError, match=r"there is no reader '.pt'"):
        find_reader("graph.pt")
    with pytest.raises(PluginError, match="there is no command 'collect'") as raised:
        find_command("collect")
    assert raised.value.remedy == "Run: pip install clerp-circuit-tracer"


def test_a_command_is_imported_when_it_is_asked_for(install: Install):
    install(f"shout = {MODULE}:shout", kind="commands", code="def shout(text): return text.upper()")
    assert "shout" in list_commands()
    assert is_command("shout")
    assert not is_command("label")
    assert MODULE not in sys.modules
    assert find_command("shout")("a") == "A"
    assert ("commands", "shout") in {(entry.kind, entry.name) for entry in list_registered()}
