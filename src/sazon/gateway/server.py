"""Listening on this machine, quietly: no access log, because requests are not for logs."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

from sazon.core import registry
from sazon.core.errors import EnvironmentLacks
from sazon.core.words import Language, say
from sazon.gateway.app import create_app
from sazon.gateway.config import GatewayConfig
from sazon.gateway.inbound import WORDS
from sazon.gateway.served import Served

if TYPE_CHECKING:
    import uvicorn

    from sazon.policy.passage import Passage


def serve(
    task: Served,
    config: GatewayConfig | None = None,
    *,
    passage: Passage | None = None,
    language: Language = "en",
    say_so: Callable[[str], None] = print,
) -> None:
    """Answer until Ctrl-C or SIGTERM, then finish what is under way and return.

    Args:
        task: what is served.
        config: where to listen, and the limits.
        passage: the way out to the recipe's providers; without it nothing leaves.
        language: of the lines told to the operator.
        say_so: takes those lines.

    Raises:
        EnvironmentLacks: the port is taken or not allowed, or the extra is not installed.
    """
    config = config or GatewayConfig()
    with contextlib.closing(listen(config)) as listening:
        server = new_server(task, config, passage=passage)
        url = address(listening)
        about = {"name": task.name, "url": url, "candidate": task.candidate.name}
        open_to = () if passage is None else passage.providers
        key = "serve.listening_open" if open_to else "serve.listening"
        say_so(say(WORDS, language, key, **about, providers=", ".join(open_to)))
        with _returning_on_signals():
            server.run(sockets=[listening])
    say_so(say(WORDS, language, "serve.stopped"))


def listen(config: GatewayConfig) -> socket.socket:
    """A socket that listens on the configured address.

    Raises:
        EnvironmentLacks: the port is taken or not allowed.
    """
    host = "127.0.0.1" if config.host == "localhost" else config.host
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, config.port))
        listening.listen(2048)  # from now on clients wait instead of being turned away
    except OSError as error:
        listening.close()
        what = {
            errno.EADDRINUSE: f"port {config.port} is taken",
            errno.EACCES: f"port {config.port} is not allowed without special rights",
            errno.EADDRNOTAVAIL: f"this machine has no address {host}",
        }.get(error.errno or 0)
        if what is None:
            raise
        raise EnvironmentLacks(
            what, where=f"{host}:{config.port}", mend="Choose another port (0 takes any free one)."
        ) from error
    return listening


def address(listening: socket.socket) -> str:
    """The address of a listening socket, for clients."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def new_server(task: Served, config: GatewayConfig, *, passage: Passage | None = None) -> uvicorn.Server:
    """The HTTP server, not yet running."""
    try:
        import uvicorn

        app = create_app(task, config, passage=passage)
    except ModuleNotFoundError as error:
        raise registry.lacking(error.name or str(error), purpose="the gateway") from error
    return uvicorn.Server(
        uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=10,
        )
    )


@contextlib.contextmanager
def _returning_on_signals() -> Iterator[None]:
    """Let the server's own handling of signals be the end of it.

    It raises each signal again after its shutdown; here that must not kill the process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def heard(number: int, frame: FrameType | None) -> None:
        """The server has already shut down."""

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
