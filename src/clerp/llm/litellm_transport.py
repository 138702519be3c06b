"""A prompt to a completion, over litellm."""

import asyncio
import importlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from clerp.errors import BusyError, FormatError, TransportError, UsageError
from clerp.llm.chat_completion import (
    decode,
    read_completion,
    read_refusal,
    write_object_schema,
)
from clerp.llm.effort import find_effort
from clerp.llm.litellm_library import load_litellm
from clerp.llm.prompt import AnswerFormat, Prompt
from clerp.llm.redaction import redact
from clerp.llm.refusal import Refusal, explain, explain_loss, find_cause
from clerp.llm.transport import MAX_TOKENS, NO_CHOICES, Completion, Parameters, clean_completion
from clerp.remote.patience import read_retry_after

_log = logging.getLogger("clerp")
_UNKNOWN_PROVIDER = "LLM Provider NOT provided"


class LitellmTransport:
    """One model of any provider that litellm knows.

    Keys and endpoints come from the environment only (`OPENAI_API_KEY`, `OPENAI_API_BASE`, ...).
    litellm's own retries, cache and budget stay off: they hide what was paid for.

    Args:
        model: litellm's name of it.
        timeout: Seconds for a whole call.
        max_tokens: Most that an answer may have.
    """

    def __init__(self, model: str, *, timeout: float = 60.0, max_tokens: int = MAX_TOKENS) -> None:
        self.model = model
        self._timeout = timeout
        self._max_tokens = max_tokens
        self._litellm: Any = None
        self._terms: _Terms | None = None

    @property
    def parameters(self) -> dict[str, str | float | int | None]:
        """Everything but the prompt that decides the answer."""
        return {"temperature": 0, "max_tokens": self._max_tokens, **find_effort(self.model)}

    def check_limit(self) -> None:
        """Make sure that the provider is told the most that an answer may have.

        Raises:
            PluginError: litellm is not installed.
            UsageError: It is not: its answers may cost anything.
        """
        self._litellm = self._litellm or load_litellm()
        try:
            self._terms = self._terms or self._find_terms("text")
        except TransportError:
            # The first call says so, and is not sent either.
            return
        if self._max_tokens not in self._terms.sent.values():
            raise UsageError(
                f"there is a budget, but litellm does not tell the provider of {self.model} how "
                "long an answer may be, so that one could cost more than is left",
                remedy="Leave out --budget, or name another model",
            )

    async def complete(
        self, prompt: Prompt, answer_format: AnswerFormat = "json_schema"
    ) -> Completion:
        """Ask once.

        Raises:
            PluginError: litellm is not installed.
            TransportError: As `Transport.complete`. Says why in one line, without keys.
        """
        self._litellm = self._litellm or load_litellm()
        self._terms = self._terms or self._find_terms(answer_format)
        if answer_format != "text" and not self._terms.takes_format:
            # litellm would leave it out without a word.
            raise FormatError(
                "the provider knows no response_format", where=self.model, may_be_billed=False
            )
        completion = await self._send(prompt, answer_format)
        return clean_completion(
            replace(
                completion,
                model=completion.model or self.model,
                answer_format=answer_format,
                parameters=self._terms.sent,
            )
        )

    async def aclose(self) -> None:
        """Close litellm's connections, in the event loop that opened them."""
        if self._litellm is None:
            return
        await self._litellm.close_litellm_async_clients()
        # Closed clients stay in the cache, where another event loop would find them.
        self._litellm.in_memory_llm_clients_cache.flush_cache()

    def _find_terms(self, answer_format: AnswerFormat) -> "_Terms":
        try:
            return _find_terms(self._litellm, self.model, self.parameters)
        except _load_openai_error() as error:
            fault = self._explain(error, answer_format)
        # Only litellm's tables were asked.
        fault.may_be_billed = False
        raise fault

    async def _send(self, prompt: Prompt, answer_format: AnswerFormat) -> Completion:
        heard = _Heard()
        try:
            # litellm's timeout is one of each read: a server that drips bytes outlives it.
            async with asyncio.timeout(self._timeout):
                response = await self._litellm.acompletion(
                    model=self.model,
                    messages=prompt.write_messages(answer_format),
                    max_retries=0,
                    num_retries=0,
                    timeout=self._timeout,
                    drop_params=True,
                    logger_fn=heard.listen,
                    **self.parameters,
                    **_write_format(prompt, answer_format),
                )
        except TimeoutError:
            fault = self._explain_timeout()
        except _load_openai_error() as error:
            fault = self._explain(error, answer_format)
        else:
            return _read(response)
        if heard.is_completion:
            # litellm is strict with what servers send that copy OpenAI's, such as text in parts.
            return read_completion(heard.body, answer_format, where=self.model)
        # Outside of the handler: the provider's own error may hold the key.
        raise fault

    def _explain(self, error: Exception, answer_format: AnswerFormat) -> TransportError:
        # litellm's own words hold addresses, paths and numbers of this machine.
        _log.debug("%s: %s", self.model, redact(str(error)))
        errors = importlib.import_module("httpx")
        # litellm gives a status, mostly 500, to lost connections and to answers that it cannot
        # read, too.
        if refused := find_cause(error, errors.HTTPStatusError):
            reply = refused.response
            waits = read_retry_after(reply.headers)
            refusal = read_refusal(reply.status_code, reply.content, waits)
            return explain(refusal, answer_format, where=self.model)
        if type(error).__name__ == "Timeout":
            return self._explain_timeout()
        if lost := find_cause(error, errors.TransportError):
            return explain_loss(lost, where=self.model)
        return explain(_guess_refusal(error), answer_format, where=self.model)

    def _explain_timeout(self) -> BusyError:
        return BusyError(f"no answer within {self._timeout:g} s", where=self.model)


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a provider takes, by litellm's own tables."""

    takes_format: bool
    sent: Parameters


def _find_terms(litellm: Any, model: str, wanted: Parameters) -> _Terms:  # noqa: ANN401 - litellm's own
    name, provider, _, _ = litellm.get_llm_provider(model)
    known = litellm.get_supported_openai_params(model=name, custom_llm_provider=provider)
    # As `acompletion` does it: some are renamed, some dropped.
    sent = litellm.get_optional_params(
        model=name, custom_llm_provider=provider, drop_params=True, **wanted
    )
    return _Terms(
        takes_format=known is None or "response_format" in known,
        sent={
            name: json.dumps(value, sort_keys=True) if isinstance(value, dict) else value
            for name, value in sorted(sent.items())
            if isinstance(value, str | float | int | dict) and value != {} and name != "stream"
        },
    )


class _Heard:
    """The body of an answer, as litellm's log is told of it before litellm reads it."""

    def __init__(self) -> None:
        self.body = b""

    def listen(self, told: Mapping[str, Any]) -> None:
        """Keep it, of all that is logged of a call."""
        body = told.get("original_response")
        if isinstance(body, str):
            self.body = body.encode(errors="surrogatepass")

    @property
    def is_completion(self) -> bool:
        """Whether it tries to be a chat completion of OpenAI's."""
        decoded = decode(self.body)
        return isinstance(decoded, dict) and "choices" in decoded


def _read(response: Any) -> Completion:  # noqa: ANN401 - litellm's own
    choice = response.choices[0] if response.choices else None
    usage = getattr(response, "usage", None)
    prompt_tokens = getattr(usage, "prompt_tokens", None) or None
    return Completion(
        text=(choice.message.content if choice is not None else None) or "",
        model=response.model or "",
        finish_reason=(choice.finish_reason or "unknown") if choice is not None else NO_CHOICES,
        prompt_tokens=prompt_tokens,
        completion_tokens=getattr(usage, "completion_tokens", None) or None,
        # Without usage litellm prices nothing at 0, which is not what it cost.
        cost_usd=response._hidden_params.get("response_cost") if prompt_tokens else None,
        request_id=_find_request_id(response),
    )


def _find_request_id(response: Any) -> str:  # noqa: ANN401 - litellm's own
    headers = cast("dict[str, object]", response._hidden_params.get("additional_headers") or {})
    named = headers.get("llm_provider-x-request-id") or headers.get("llm_provider-request-id")
    return str(named or response.id or "")


def _write_format(prompt: Prompt, answer_format: AnswerFormat) -> dict[str, object]:
    match answer_format:
        case "json_schema":
            return {"response_format": prompt.schema}
        case "json_object_schema":
            return {"response_format": write_object_schema(prompt)}
        case "json_object":
            return {"response_format": {"type": "json_object"}}
        case "text":
            return {}


def _guess_refusal(error: Exception) -> Refusal:
    """Make the best of an error without a status of HTTP: what litellm calls it."""
    name, said = type(error).__name__, str(error)
    # A provider that litellm does not know is a model that nobody knows.
    if _UNKNOWN_PROVIDER in said:
        return Refusal(404, _UNKNOWN_PROVIDER, name=name)
    return Refusal(
        status=getattr(error, "status_code", None) or 500,
        message=said,
        codes=_read_codes(error),
        name=f"{name}, no answer that litellm can read",
        is_quotable=False,
        follows_answer=True,
    )


def _read_codes(error: Exception) -> str:
    # Without it an exhausted quota reads like any other 429.
    body = getattr(error, "body", None)
    if not isinstance(body, Mapping):
        return ""
    said = cast("Mapping[str, object]", body)
    return f"{said.get('type')} {said.get('code')}"


def _load_openai_error() -> type[Exception]:
    # The base of every error that litellm raises on purpose.
    return importlib.import_module("openai").OpenAIError
