import pytest
from hypothesis import given
from hypothesis import strategies as st

from clerp.errors import RemoteError
from clerp.remote.address import find_origin, find_target, show

HUB = "https://huggingface.co/a/b"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/c", "https://huggingface.co/c"),
        ("c?d=e#f", "https://huggingface.co/a/c?d=e"),
        ("https://cas-bridge.xethub.hf.co/x?sig=1", "https://cas-bridge.xethub.hf.co/x?sig=1"),
        ("https://HF.CO/x", "https://HF.CO/x"),
    ],
)
def test_redirects_lead_to_the_own_host_and_to_allowed_ones(location, target):
    assert find_target(HUB, location, ("hf.co",)) == target


@given(
    st.text(max_size=60), st.sampled_from(["", "https://", "//", "https://hf.co", "http://hf.co"])
)
def test_whatever_a_server_says_leads_to_no_other_host(text, start):
    try:
        target = find_target(HUB, start + text, ("hf.co",))
    except RemoteError:
        return
    origin = find_origin(target)
    assert origin.scheme == "https"
    assert origin.host in ("huggingface.co", "hf.co") or origin.host.endswith(".hf.co")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h.co/a?key=secret#secret", "https://h.co/a"),
        ("https://user:secret@h.co/a", "https://h.co/a"),
        ("https://user:se@cret@h.co/a@b", "https://h.co/a@b"),
    ],
)
def test_secrets_are_not_shown(url, shown):
    assert show(url) == shown


def test_the_port_of_a_scheme_need_not_be_written():
    assert find_origin("https://h.co") == find_origin("https://H.co:443/a")
    assert find_origin("https://h.co") != find_origin("https://h.co:8443")
