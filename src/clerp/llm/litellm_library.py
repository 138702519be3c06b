"""litellm, imported the way clerp wants it: late, quiet and without the network."""

import importlib
import importlib.util
import logging
import os
from types import ModuleType

from clerp.errors import PluginError
from clerp.llm.redaction import redact_record

# When it is imported litellm fetches its price map, reads any `.env` that it finds and sets up a
# log on stderr. Who has set these on purpose keeps them.
_IMPORT_SWITCHES = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
}
# They write down what a provider said, headers and all, which may give the key back.
_TALKATIVE = ("LiteLLM", "openai._base_client", "httpcore.http11")


def require_litellm() -> None:
    """Check, without the seconds that importing it takes, that litellm is there.

    Raises:
        PluginError: It is not.
    """
    if importlib.util.find_spec("litellm") is None:
        raise PluginError("litellm is not installed", remedy="Run: pip install 'clerp[litellm]'")


def load_litellm() -> ModuleType:
    """Import litellm.

    Raises:
        PluginError: It is not installed.
    """
    require_litellm()
    for name, value in _IMPORT_SWITCHES.items():
        os.environ.setdefault(name, value)
    litellm = importlib.import_module("litellm")
    # It prints to stdout otherwise.
    vars(litellm)["suppress_debug_info"] = True
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(redact_record)
    return litellm
