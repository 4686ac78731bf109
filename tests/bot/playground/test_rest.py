"""Discord's REST API over real HTTP."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.playground import PlaygroundServer, RestCall
from bot.playground.nonces import Nonces

HEADERS = {"Authorization": "Bot anything"}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def post_with_file(http: aiohttp.ClientSession, server: PlaygroundServer, data: bytes) -> dict[str, Any]:
    form = aiohttp.FormData(quote_fields=False)
    payload = {"content": "look", "attachments": [{"id": 0, "filename": "ä (b).png", "description": "a red heart"}]}
    form.add_field("payload_json", json.dumps(payload))
    form.add_field("files[0]", data, filename="ä (b).png", content_type="application/octet-stream")
    channel = server.world.channel("pictures").id
    async with http.post(f"{server.api_base}/channels/{channel}/messages", data=form, headers=HEADERS) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def test_an_answer_has_exactly_the_content_type_that_discord_py_compares_with(
    http: aiohttp.ClientSession, server: PlaygroundServer
) -> None:
    async with http.get(f"{server.api_base}/users/@me", headers=HEADERS) as response:
        assert response.headers["Content-Type"] == "application/json"
        assert (await response.json())["username"] == "Imagine"


async def test_an_upload_comes_back_byte_for_byte_with_its_description(
    http: aiohttp.ClientSession, server: PlaygroundServer
) -> None:
    message = await post_with_file(http, server, b"\x89PNG bytes")
    [attachment] = message["attachments"]
    assert attachment["description"] == "a red heart"
    assert attachment["url"].startswith(server.base)
    async with http.get(attachment["url"]) as response:
        assert await response.read() == b"\x89PNG bytes"
        assert response.content_type == "image/png"
        assert response.headers["Content-Security-Policy"] == "sandbox"
    [post] = server.messages()
    assert post.content == "look"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/channels/1/messages/2", 404, 10003),
        ("/channels/{channel}/messages/2", 404, 10008),
        ("/nothing/like/that", 400, 0),
    ],
)
async def test_errors_carry_discords_codes(
    http: aiohttp.ClientSession, server: PlaygroundServer, path: str, status: int, code: int
) -> None:
    path = path.format(channel=server.world.channel("pictures").id)
    async with http.get(server.api_base + path, headers=HEADERS) as response:
        assert (response.status, (await response.json())["code"]) == (status, code)


async def test_a_call_without_a_token_is_refused(http: aiohttp.ClientSession, server: PlaygroundServer) -> None:
    async with http.get(f"{server.api_base}/users/@me") as response:
        assert response.status == 401


async def test_a_request_past_discords_size_is_refused(http: aiohttp.ClientSession, server: PlaygroundServer) -> None:
    channel = server.world.channel("pictures").id
    async with http.post(
        f"{server.api_base}/channels/{channel}/messages", data=io.BytesIO(b" " * (27 * 1024 * 1024)), headers=HEADERS
    ) as response:
        assert (response.status, (await response.json())["code"]) == (413, 40005)


async def test_the_reason_for_the_audit_log_arrives(http: aiohttp.ClientSession, server: PlaygroundServer) -> None:
    channel = server.world.channel("general").id
    headers = {**HEADERS, "X-Audit-Log-Reason": "tidying%20up"}
    async with http.post(f"{server.api_base}/channels/{channel}/typing", headers=headers) as response:
        assert response.status == 204
    assert server.world.http_requests[-1].reason == "tidying up"


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example:80"}, {"Origin": "http://evil.example"}, {"Origin": "null"}]
)
async def test_no_foreign_page_reaches_in(
    http: aiohttp.ClientSession, server: PlaygroundServer, headers: dict[str, str]
) -> None:
    for path in ("/", "/control/state", "/gw", "/api/v10/gateway"):
        async with http.get(server.base + path, headers=headers) as response:
            assert response.status == 403


async def test_an_interceptor_may_answer_in_discords_place(
    http: aiohttp.ClientSession, server: PlaygroundServer
) -> None:
    seen: list[str] = []

    async def once(call: RestCall, _: web.Request) -> web.StreamResponse | None:
        seen.append(f"{call.method} {call.path}")
        return web.Response(status=502) if len(seen) == 1 else None

    server.interceptors.append(once)
    statuses = []
    for _ in range(2):
        async with http.get(f"{server.api_base}/users/@me", headers=HEADERS) as response:
            statuses.append(response.status)
    assert statuses == [502, 200]
    assert seen == ["GET /users/@me"] * 2


async def test_the_default_port_gives_way_and_a_chosen_one_does_not() -> None:
    async with PlaygroundServer(port=0) as first:
        with pytest.raises(OSError, match="in use"):
            await PlaygroundServer(port=first.port).start()
    # The default port may be free or taken on this machine; both must work.
    async with PlaygroundServer() as one, PlaygroundServer() as other:
        assert one.port != other.port


async def test_the_same_nonce_makes_one_message(http: aiohttp.ClientSession, server: PlaygroundServer) -> None:
    url = f"{server.api_base}/channels/{server.world.channel('pictures').id}/messages"

    async def send(**body: Any) -> str:
        async with http.post(url, json={"content": "hello", **body}, headers=HEADERS) as response:
            return (await response.json())["id"]

    first = await send(nonce="a", enforce_nonce=True)
    assert await send(nonce="a", enforce_nonce=True) == first
    others = {await send(nonce="b", enforce_nonce=True), await send(nonce="a"), await send()}
    assert len(others | {first}) == len(server.messages()) == 4


async def test_a_nonce_is_forgotten_after_a_few_minutes() -> None:
    now = [0.0]
    nonces = Nonces(now=lambda: now[0])
    sent = ("POST", "/channels/1/messages", {"nonce": "a", "enforce_nonce": True})
    nonces.remember(*sent, {"id": "7"})
    assert nonces.earlier(*sent) == {"id": "7"}
    assert nonces.earlier("POST", "/channels/2/messages", sent[2]) is None
    now[0] = 301.0
    assert nonces.earlier(*sent) is None
