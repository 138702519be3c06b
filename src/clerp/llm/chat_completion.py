"""OpenAI's chat-completion bodies, as the servers that copy them read and write them."""

import json
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from clerp.errors import BusyError, DeniedError
from clerp.llm.prompt import AnswerFormat, Prompt, read_schema
from clerp.llm.refusal import Refusal, explain
from clerp.llm.transport import NO_CHOICES, REFUSED, Completion, Parameters


class _Part(msgspec.Struct):
    text: str | None = None


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _ChatCompletion(msgspec.Struct):
    """What is read of an answer; servers differ in the rest."""

    choices: list[_Choice]
    model: str | None = None
    id: str | None = None
    usage: Any = None


_NO_CHOICE = _Choice(_Message(), NO_CHOICES)


def write_request(
    model: str, prompt: Prompt, answer_format: AnswerFormat, parameters: Parameters
) -> bytes:
    """Write the body of a request."""
    body: dict[str, object] = {
        "model": model,
        "messages": prompt.write_messages(answer_format),
        **parameters,
    }
    match answer_format:
        case "json_schema":
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": prompt.schema.__name__,
                    "schema": read_schema(prompt.schema),
                    "strict": True,
                },
            }
        case "json_object_schema":
            body["response_format"] = write_object_schema(prompt)
        case "json_object":
            body["response_format"] = {"type": "json_object"}
        case "text":
            pass
    return json.dumps(body).encode()


def write_object_schema(prompt: Prompt) -> dict[str, object]:
    """Write the form that llama-cpp-python, Together and Fireworks added to OpenAI's."""
    return {"type": "json_object", "schema": read_schema(prompt.schema)}


def read_completion(content: bytes, answer_format: AnswerFormat, *, where: str) -> Completion:
    """Read the body of an answer that came with a good status.

    Args:
        content: The body.
        answer_format: What was asked for.
        where: What an error calls the server.

    Returns:
        The completion; its text may be empty.

    Raises:
        BusyError: It is no JSON: a proxy's page, or cut off on its way.
        DeniedError: It is JSON but no chat completion.
        TransportError: It is an error after all.
    """
    decoded = decode(content)
    if decoded is None:
        raise BusyError("the answer is no JSON", where=where)
    _check_error(decoded, answer_format, where)
    try:
        said = msgspec.convert(decoded, _ChatCompletion)
    except msgspec.ValidationError:
        # No other prompt would change it, and every one of them may be paid for.
        raise DeniedError(
            "the answer is no chat completion",
            where=where,
            remedy="Give the address of an OpenAI-compatible server",
        ) from None
    choice = said.choices[0] if said.choices else _NO_CHOICE
    refused = choice.message.refusal and REFUSED
    return Completion(
        text=_join(choice.message.content),
        model=said.model or "",
        finish_reason=refused or choice.finish_reason or "unknown",
        prompt_tokens=_count(said.usage, "prompt_tokens"),
        completion_tokens=_count(said.usage, "completion_tokens"),
        cost_usd=None,
        request_id=said.id or "",
        answer_format=answer_format,
    )


def read_refusal(status: int, content: bytes, retry_after: float | None) -> Refusal:
    """Read the body of an answer that came with another status."""
    message, codes = _read_error(decode(content))
    return Refusal(status, message, codes, retry_after=retry_after)


def _check_error(decoded: object, answer_format: AnswerFormat, where: str) -> None:
    """Find the error that gateways such as OpenRouter send with a status of 200."""
    if not isinstance(decoded, dict):
        return
    said = cast("dict[str, object]", decoded)
    error = said.get("error")
    # litellm writes each of the two where the other one came.
    if error is None or said.get("choices") is not None:
        return
    code = cast("dict[str, object]", error).get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    message, codes = _read_error(said)
    refusal = Refusal(status, message, codes, follows_answer=True)
    raise explain(refusal, answer_format, where=where)


def _join(content: str | list[_Part] | None) -> str:
    if isinstance(content, list):
        return "".join(part.text or "" for part in content)
    return content or ""


def decode(content: bytes) -> object:
    """Return what the JSON of a body says; None if it is no JSON."""
    try:
        return json.loads(content)
    # The latter: nested without end.
    except (ValueError, RecursionError):
        return None


def _read_error(decoded: object) -> tuple[str, str]:
    """Return the message of an error and its codes, in the forms that servers write it."""
    found = decoded
    # OpenAI and llama.cpp; Ollama's is a string; FastAPI's is called detail; vLLM's is bare.
    for name in ("error", "detail"):
        if isinstance(found, Mapping):
            known = cast("Mapping[str, object]", found)
            found = known.get(name, known)
    if not isinstance(found, Mapping):
        return ("" if found is None else json.dumps(found)), ""
    error = cast("Mapping[str, object]", found)
    codes = f"{error.get('type', '')} {error.get('code', '')}"
    return str(error.get("message") or json.dumps(error)), codes


def _count(usage: object, name: str) -> int | None:
    if not isinstance(usage, Mapping):
        return None
    count = cast("Mapping[str, object]", usage).get(name)
    return count if isinstance(count, int) and count > 0 else None
