"""From a name to the transport that it means."""

from clerp.errors import UsageError
from clerp.llm.litellm_library import require_litellm
from clerp.llm.litellm_transport import LitellmTransport
from clerp.llm.transport import Transport

_HTTP, _MISTAKEN = "http:", "https:"
# No such host can be (RFC 2606).
_NOWHERE = "@https://nowhere.invalid"


def forget_address(name: str) -> str:
    """Return the name of a model without the place of its server: `http:MODEL`."""
    if not name.startswith(_HTTP):
        return name
    # The model's name may hold an @ of its own.
    model, found, _ = name.rpartition("@http")
    return model if found else name


def open_transport(name: str, *, ask: bool = True, timeout: float = 60.0) -> Transport:
    """Make the transport to a model. Nothing is asked yet.

    Args:
        name: `http:MODEL@URL` for an OpenAI-compatible server, else litellm's name of a model.
        ask: False allows `http:MODEL`: whose answers are looked up need not be found.
        timeout: Seconds for a whole call.

    Raises:
        UsageError: No model is named, or the address cannot be used.
        PluginError: litellm is not installed.
    """
    if not name:
        raise UsageError(
            "no model is named", remedy="Write for example --llm anthropic/claude-sonnet-4-5"
        )
    if name.startswith(_MISTAKEN):
        raise UsageError(
            "a model's name does not begin with https:",
            remedy="Write http:MODEL@URL, for example http:llama3.2@https://host.example/v1",
        )
    if name.startswith(_HTTP):
        # httpx takes its time to import, and may never be needed.
        from clerp.llm.http_transport import HttpTransport

        place = "" if ask or name != forget_address(name) else _NOWHERE
        return HttpTransport(name.removeprefix(_HTTP) + place, timeout=timeout)
    require_litellm()
    return LitellmTransport(name, timeout=timeout)
