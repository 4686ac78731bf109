"""What the connection to Discord brings along beside its answers, over discord.py's own network stack."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from discord.http import Route

from bot.discord_ui.client import ImageBot
from bot.discord_ui.connection import point_at, stay_connected
from bot.errors import CannotConnect


async def no_such_token(_: web.Request) -> web.Response:
    return web.json_response({"message": "401: Unauthorized"}, status=401)


async def test_each_answer_says_what_time_it_is_at_discord(tmp_path, monkeypatch):
    monkeypatch.setattr(Route, "BASE", Route.BASE)  # it is put back afterwards
    said: list[str | None] = []

    async def nothing() -> None: ...

    async def dated(_: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = "Fri, 17 May 2030 12:00:00 GMT"

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", no_such_token)
    app.on_response_prepare.append(dated)
    async with TestServer(app) as server:
        point_at(str(server.make_url("/")), None)
        bot = ImageBot(command_hash_file=tmp_path / "hash", logged_in=nothing, hear_date=said.append)
        with pytest.raises(CannotConnect):
            await stay_connected(bot, "x")
        await bot.ask_the_time()  # refused too, which is no matter
        await bot.close()
    assert said == ["Fri, 17 May 2030 12:00:00 GMT"] * 2
