"""The port that programs ask: /healthz (is it alive), /readyz (can it draw), /metrics."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NoReturn

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.errors import CannotListen
from bot.web.metrics import Metrics

LOOKS_AFTER = 0.5  #: seconds between two looks how late the event loop is


def listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else is done. Raises CannotListen."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise CannotListen(host, port, detail=error.strerror or str(error)) from error


@asynccontextmanager
async def answering(
    listening: socket.socket, *, is_alive: Callable[[], bool], is_ready: Callable[[], bool], metrics: Metrics
) -> AsyncIterator[None]:
    """Answer whoever asks, as long as this context is open. `is_alive` and `is_ready` say yes or no at once."""
    app = web.Application()
    app.router.add_get("/healthz", _answer(is_alive, "alive", "the device is lost"))
    app.router.add_get("/readyz", _answer(is_ready, "ready", "not ready"))
    app.router.add_get("/metrics", _page(metrics))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    measuring = asyncio.create_task(_measure_lag(metrics), name="measure the event loop's lag")
    try:
        await web.SockSite(runner, listening).start()
        yield
    finally:
        measuring.cancel()
        await runner.cleanup()


def _answer(holds: Callable[[], bool], yes: str, no: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=f"{yes}\n") if holds() else web.Response(status=503, text=f"{no}\n")

    return answer


def _page(metrics: Metrics) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return answer


async def _measure_lag(metrics: Metrics) -> NoReturn:
    while True:
        due = time.perf_counter() + LOOKS_AFTER
        await asyncio.sleep(LOOKS_AFTER)
        metrics.late(max(0.0, time.perf_counter() - due))
