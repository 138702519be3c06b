"""What lies on other machines: a patient client, and a cache of what it brought."""

from clerp.remote.answer import Answer
from clerp.remote.cache import Cache, open_cache
from clerp.remote.client import Client
from clerp.remote.patience import Patience

__all__ = ["Answer", "Cache", "Client", "Patience", "open_cache"]
