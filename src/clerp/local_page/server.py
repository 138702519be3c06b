"""The page on loopback."""

import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from clerp.errors import UsageError

HOST = "127.0.0.1"
_GRACE_SECONDS = 3


class PageServer(uvicorn.Server):
    """Serves one page, on 127.0.0.1 only.

    Args:
        app: The page.
        port: 0 for one that is free.
        on_ready: Told the address, as soon as it is answered.

    Raises:
        UsageError: The port is taken or not allowed.
    """

    def __init__(self, app: FastAPI, port: int, on_ready: Callable[[str], None]) -> None:
        # The command tells what there is to tell; headers of proxies are of no proxy.
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._on_ready = on_ready
        self._socket = _open_socket(port)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, and tell where."""
        await super().startup(sockets)
        self._on_ready(f"http://{HOST}:{self._socket.getsockname()[1]}/")

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal comes, or `should_exit` is set."""
        with self._socket:
            super().run([self._socket])


def serve(app: FastAPI, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve a page until SIGINT or SIGTERM, which it hands on once it has stopped.

    Args:
        app: The page.
        port: 0 for one that is free.
        on_ready: Told the address, as soon as it is answered.

    Raises:
        UsageError: The port is taken or not allowed.
    """
    PageServer(app, port, on_ready).run()


def _open_socket(port: int) -> socket.socket:
    # asyncio sends at once only where the protocol is named; else every answer waits 40 ms.
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((HOST, port))
    except (OSError, OverflowError) as fault:
        opened.close()
        raise UsageError(
            f"port {port} cannot be used: {fault}", remedy="Choose another one, or 0 for any"
        ) from fault
    return opened
