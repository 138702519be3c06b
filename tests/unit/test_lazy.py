import sys

import pytest

from clerp.lazy import import_when_used


def test_a_module_is_imported_when_its_name_is_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "json.tool", raising=False)
    find = import_when_used("json", {"main": "tool"})
    assert "json.tool" not in sys.modules
    assert find("main") is sys.modules["json.tool"].main


def test_other_names_are_missing_as_from_any_module():
    find = import_when_used("json", {"main": "tool"})
    with pytest.raises(AttributeError, match="module 'json' has no attribute 'nothing'"):
        find("nothing")
