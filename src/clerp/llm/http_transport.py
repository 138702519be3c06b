"""A prompt to a completion, over plain HTTP. Imports httpx: load it when it is needed."""

import asyncio
import logging
import os
import re
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from clerp.errors import BusyError, UsageError
from clerp.llm.chat_completion import read_completion, read_refusal, write_request
from clerp.llm.prompt import AnswerFormat, Prompt
from clerp.llm.redaction import redact, redact_record
from clerp.llm.refusal import explain, explain_loss
from clerp.llm.transport import MAX_TOKENS, TOO_LARGE, Completion, clean_completion
from clerp.remote.address import find_origin, show
from clerp.remote.patience import read_retry_after

KEY_VARIABLE = "CLERP_LLM_API_KEY"
MAX_BODY_BYTES = 2**22

_log = logging.getLogger("clerp")
_ENDPOINT = "/chat/completions"
# The model's name may hold an @ of its own.
_ARGUMENT = re.compile(r"(?P<model>.+)@(?P<url>https?://.+)", re.DOTALL)
_ONE_CONNECTION = httpx.Limits(
    max_connections=1,
    # Less than the 5 s of uvicorn, which vLLM is served by: a connection that the server closes
    # while it is taken up again is a call lost.
    keepalive_expiry=3.0,
)


class HttpTransport:
    """One model of an OpenAI-compatible server: vLLM, llama.cpp, Ollama, a provider's own.

    The key comes from `CLERP_LLM_API_KEY` alone and goes to that server alone: redirects and the
    environment's proxies are not followed.

    Args:
        argument: `MODEL@URL`, for example `llama3.2@http://127.0.0.1:11434/v1`. Asked is
            `URL/chat/completions`. http:// may lead to another machine, but not with a key.
        timeout: Seconds for a whole call.
        max_tokens: Most that an answer may have.

    Raises:
        UsageError: The argument or the key cannot be used.
    """

    def __init__(
        self, argument: str, *, timeout: float = 60.0, max_tokens: int = MAX_TOKENS
    ) -> None:
        match = _ARGUMENT.fullmatch(argument)
        if match is None:
            raise UsageError(
                "no model and address in the name of the model",
                remedy="Write http:MODEL@URL, for example http:llama3.2@http://127.0.0.1:11434/v1",
            )
        self._name = match["model"]
        self._url = _check_url(match["url"])
        self._headers = _write_headers(self._url)
        # Without the address: a server that moves is the same server, and outputs name no place.
        self.model = f"http:{self._name}"
        self._timeout = timeout
        self._max_tokens = max_tokens
        self._clients = _Clients()

    @property
    def parameters(self) -> dict[str, str | float | int | None]:
        """Everything but the prompt that decides the answer."""
        return {"temperature": 0, "max_tokens": self._max_tokens}

    async def complete(
        self, prompt: Prompt, answer_format: AnswerFormat = "json_schema"
    ) -> Completion:
        """Ask once.

        Raises:
            UsageError: The environment names certificates that cannot be read.
            TransportError: As `Transport.complete`. Says why in one line, without keys.
        """
        body = write_request(self._name, prompt, answer_format, self.parameters)
        answer = await self._send(body)
        if answer.status != 200:
            waits = read_retry_after(answer.headers)
            refusal = read_refusal(answer.status, answer.content, waits)
            raise explain(refusal, answer_format, where=self.model)
        completion = self._read(answer, answer_format)
        return clean_completion(
            replace(
                completion,
                model=completion.model or self._name,
                request_id=answer.headers.get("x-request-id", completion.request_id),
                parameters=self.parameters,
            )
        )

    async def aclose(self) -> None:
        """Close the connections, in the event loop that opened them."""
        await self._clients.aclose()

    async def _send(self, body: bytes) -> "_Answer":
        try:
            # Of the whole call: httpx knows only limits of each read.
            async with asyncio.timeout(self._timeout):
                with self._clients.lend() as client:
                    return await self._exchange(client, body)
        except TimeoutError:
            fault = BusyError(f"no answer within {self._timeout:g} s", where=self.model)
        except httpx.HTTPError as error:
            _log.debug("%s: %s", self.model, redact(str(error)))
            fault = explain_loss(error, where=self.model)
        # Outside of the handler: the request that the error belongs to holds the key.
        raise fault

    async def _exchange(self, client: httpx.AsyncClient, body: bytes) -> "_Answer":
        request = client.stream("POST", self._url, content=body, headers=self._headers)
        async with request as response:
            content = await _read_body(response)
            return _Answer(response.status_code, response.headers, content)

    def _read(self, answer: "_Answer", answer_format: AnswerFormat) -> Completion:
        if len(answer.content) > MAX_BODY_BYTES:
            return Completion("", "", TOO_LARGE, None, None, None, answer_format=answer_format)
        return read_completion(answer.content, answer_format, where=self.model)


class _Clients:
    """A client for every call that runs at once, each with the one connection that it keeps.

    httpx's own pool looks at every connection on every call: with 64 of them that takes longer
    than all the rest.
    """

    def __init__(self) -> None:
        self._idle: list[httpx.AsyncClient] = []
        self._opened: list[httpx.AsyncClient] = []
        self._certificates: ssl.SSLContext | None = None

    @contextmanager
    def lend(self) -> Generator[httpx.AsyncClient]:
        """Hand out a client that nobody uses, the last one used first."""
        client = self._idle.pop() if self._idle else self._open()
        try:
            yield client
        finally:
            if not client.is_closed:
                self._idle.append(client)

    async def aclose(self) -> None:
        """Close all connections."""
        opened, self._opened, self._idle = self._opened, [], []
        for client in opened:
            await client.aclose()

    def _open(self) -> httpx.AsyncClient:
        self._certificates = self._certificates or _load_certificates()
        client = _open_client(self._certificates)
        self._opened.append(client)
        return client


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    """Found in any case."""
    content: bytes


async def _read_body(response: httpx.Response) -> bytes:
    """Read no further than to where it is known to be too large."""
    content = bytearray()
    # Raw: packed data could be far more than it looks. None was asked for.
    async for piece in response.aiter_raw():
        content += piece
        if len(content) > MAX_BODY_BYTES:
            break
    return bytes(content)


def _check_url(url: str) -> str:
    origin = find_origin(url)
    if not origin.host or "?" in url or "#" in url:
        raise UsageError(
            f"the server address {show(url)!r} cannot be used",
            remedy="Write http(s)://HOST[:PORT]/v1, without user, ? or #",
        )
    if os.environ.get(KEY_VARIABLE) and not origin.is_safe:
        raise UsageError(
            f"{KEY_VARIABLE} would travel unencrypted to {show(url)!r}",
            remedy=f"Write https://, or unset {KEY_VARIABLE} if the server needs no key",
        )
    base = url.rstrip("/")
    return base if base.endswith(_ENDPOINT) else base + _ENDPOINT


def _write_headers(url: str) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    key = os.environ.get(KEY_VARIABLE, "")
    if key and not re.fullmatch(r"[!-~]+", key):
        raise UsageError(
            f"{KEY_VARIABLE} is no key: it holds spaces or characters beyond ASCII",
            where=show(url),
        )
    return {**headers, "Authorization": f"Bearer {key}"} if key else headers


def _load_certificates() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError:
        raise UsageError(
            "the certificates cannot be read", remedy="Check SSL_CERT_FILE and SSL_CERT_DIR"
        ) from None


def _open_client(certificates: ssl.SSLContext) -> httpx.AsyncClient:
    # It writes down an answer's headers, which may give the key back.
    logging.getLogger("httpcore.http11").addFilter(redact_record)
    return httpx.AsyncClient(
        verify=certificates,
        timeout=None,
        trust_env=False,
        follow_redirects=False,
        limits=_ONE_CONNECTION,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        headers={"User-Agent": "clerp"},
    )
