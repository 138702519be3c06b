"""A prompt to a completion, over litellm."""

import asyncio
import hashlib
import importlib
import importlib.util
import json
import os
import re
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from clerp.errors import AnswerError, PluginError, TransportError

MAX_ANSWER_CHARS = 20_000
MAX_FAULT_CHARS = 200

_KEY = re.compile(r"\b(?:sk|pk|rk|gsk|xai|hf|AIza)[-_]?[A-Za-z0-9_*.-]{8,}|Bearer\s+\S+")
# When it is imported litellm fetches its price map, reads any `.env` that it finds and sets up a
# log on stderr. Who has set these on purpose keeps them.
_IMPORT_SWITCHES = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked."""

    system: str
    user: str
    schema: type[BaseModel]
    """The shape of the answer."""

    @property
    def hash(self) -> str:
        """sha256 of all that is sent, in hexadecimal."""
        schema = self.schema.model_json_schema()
        written = json.dumps([self.system, self.user, schema], sort_keys=True)
        return hashlib.sha256(written.encode()).hexdigest()

    def with_complaint(self, complaint: str) -> "Prompt":
        """Ask again, saying what was wrong with the last answer but quoting none of it."""
        return replace(
            self,
            user=f"{self.user}\n\nThe last answer could not be used: {complaint}. Answer again.",
        )


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back. There is always some text; it may be cut off (`finish_reason`)."""

    text: str
    model: str
    """As returned by the provider."""
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    """US dollars by litellm's price map; None where it does not know the model."""


@runtime_checkable
class Transport(Protocol):
    """A way to one model."""

    model: str
    """As asked for."""

    @property
    def parameters(self) -> dict[str, str | float | int | None]:
        """Everything but the prompt that decides the answer."""
        ...

    async def complete(self, prompt: Prompt) -> Completion:
        """Ask once.

        Raises:
            TransportError: The provider did not answer, or refused.
            AnswerError: It answered without any text.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections, in the event loop that opened them."""
        ...


class LitellmTransport:
    """One model of any provider that litellm knows.

    Keys and endpoints come from the environment only (`OPENAI_API_KEY`, `OPENAI_API_BASE`, ...).
    litellm's own retries, cache and budget stay off: they hide what was paid for.
    """

    def __init__(self, model: str, *, timeout: float = 60.0, max_tokens: int = 200) -> None:
        self.model = model
        self._timeout = timeout
        self._max_tokens = max_tokens
        self._litellm: Any = None

    @property
    def parameters(self) -> dict[str, str | float | int | None]:
        """Everything but the prompt that decides the answer."""
        return {"temperature": 0, "max_tokens": self._max_tokens}

    async def complete(self, prompt: Prompt) -> Completion:
        """Ask once.

        Raises:
            PluginError: litellm is not installed.
            TransportError: The provider did not answer, or refused. Says so in one line, without
                keys.
            AnswerError: It answered without any text, or with far too much.
        """
        self._litellm = self._litellm or _import_litellm()
        return self._read(await self._send(prompt))

    async def aclose(self) -> None:
        """Close litellm's connections, in the event loop that opened them."""
        if self._litellm is None:
            return
        await self._litellm.close_litellm_async_clients()
        # Closed clients stay in the cache, where another event loop would find them.
        self._litellm.in_memory_llm_clients_cache.flush_cache()

    async def _send(self, prompt: Prompt) -> Any:  # noqa: ANN401 - litellm's own
        openai = importlib.import_module("openai")
        try:
            # litellm's timeout is one of each read: a server that drips bytes outlives it.
            async with asyncio.timeout(self._timeout):
                return await self._litellm.acompletion(
                    model=self.model,
                    messages=[
                        {"role": "system", "content": prompt.system},
                        {"role": "user", "content": prompt.user},
                    ],
                    response_format=prompt.schema,
                    max_retries=0,
                    num_retries=0,
                    timeout=self._timeout,
                    drop_params=True,
                    **self.parameters,
                )
        except TimeoutError:
            fault = TransportError(f"no answer within {self._timeout:g} s", where=self.model)
        except openai.OpenAIError as error:
            fault = self._explain(error)
        # Outside of the handler: the provider's own error may hold the key.
        raise fault

    def _read(self, response: Any) -> Completion:  # noqa: ANN401 - litellm's own
        choice = response.choices[0] if response.choices else None
        text = choice.message.content if choice is not None else None
        if choice is None or not text:
            reason = choice.finish_reason if choice is not None else "no choices"
            raise AnswerError(f"the answer is empty ({reason})", where=self.model)
        if len(text) > MAX_ANSWER_CHARS:
            raise AnswerError(f"the answer has {len(text)} characters", where=self.model)
        usage = getattr(response, "usage", None)
        prompt_tokens = getattr(usage, "prompt_tokens", None) or None
        return Completion(
            text=text,
            model=response.model or self.model,
            finish_reason=choice.finish_reason or "unknown",
            prompt_tokens=prompt_tokens,
            completion_tokens=getattr(usage, "completion_tokens", None) or None,
            # Without usage litellm prices nothing at 0, which is not what it cost.
            cost_usd=response._hidden_params.get("response_cost") if prompt_tokens else None,
        )

    def _explain(self, error: Exception) -> TransportError:
        status = getattr(error, "status_code", None)
        match type(error).__name__:
            case "AuthenticationError" | "PermissionDeniedError":
                what, remedy = (
                    f"the provider refused the key ({status})",
                    "Check the provider's ..._API_KEY in the environment",
                )
            case "RateLimitError":
                what, remedy = (
                    "the provider's rate limit or quota is used up (429)",
                    "Wait or raise it, then run the same command again",
                )
            case "Timeout":
                what, remedy = f"no answer within {self._timeout:g} s", ""
            case name:
                said = redact(str(error).removeprefix(f"litellm.{name}: "))
                what, remedy = f"{name} ({status}): {said}", ""
        return TransportError(what, where=self.model, remedy=remedy)


def require_litellm() -> None:
    """Check, without the seconds that importing it takes, that litellm is there.

    Raises:
        PluginError: It is not.
    """
    if importlib.util.find_spec("litellm") is None:
        raise PluginError("litellm is not installed", remedy="Run: pip install 'clerp[litellm]'")


def redact(text: str) -> str:
    """Make one short line of a provider's text, without anything that looks like a key.

    Takes out the values of environment variables that end in `_API_KEY`, and tokens of the forms
    that providers give keys.
    """
    keys = {v for name, v in os.environ.items() if name.upper().endswith("_API_KEY") and v}
    for key in sorted(keys, key=len, reverse=True):
        text = text.replace(key, "[key]")
    line = " ".join("".join(c if c.isprintable() else " " for c in _KEY.sub("[key]", text)).split())
    return line if len(line) <= MAX_FAULT_CHARS else line[: MAX_FAULT_CHARS - 1] + "…"


def _import_litellm() -> ModuleType:
    require_litellm()
    for name, value in _IMPORT_SWITCHES.items():
        os.environ.setdefault(name, value)
    litellm = importlib.import_module("litellm")
    # It prints to stdout otherwise.
    vars(litellm)["suppress_debug_info"] = True
    return litellm
