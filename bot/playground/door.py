"""The server's door: which port it listens on, and who may come in."""

from __future__ import annotations

import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from .rest import json_response

DEFAULT_PORT = 8400
HOST = "127.0.0.1"  #: never anything else: nobody is asked for a password here
_HTTP_PORT = 80  #: left out of addresses


def listen(port: int | None) -> socket.socket:
    """That port (0: any) or an OSError; without one the default, or any where that is taken."""
    try:
        return socket.create_server((HOST, DEFAULT_PORT if port is None else port))
    except OSError as error:
        if port is not None or error.errno != errno.EADDRINUSE:
            raise
        return socket.create_server((HOST, 0))


def only_from_here(port: int) -> Any:
    """A middleware that lets no web page of somebody else in: neither by a name for this place, nor across origins."""
    names = (HOST, "localhost")
    hosts = {f"{name}:{port}" for name in names} | (set(names) if port == _HTTP_PORT else set())

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if request.host not in hosts or (origin is not None and origin.removeprefix("http://") not in hosts):
            return json_response({"code": 0, "message": "403: The playground answers to this computer only"}, 403)
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            return json_response({"code": 40005, "message": "Request entity too large"}, 413)

    return check
