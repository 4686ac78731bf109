"""Connecting to Discord, or to another server that speaks its API."""

import aiohttp
import discord
import discord.gateway
import discord.http
import yarl

from bot.discord_ui.client import ImageBot
from bot.discord_ui.unsent import UNSENT, is_passing
from bot.errors import CannotConnect
from bot.retrying import PATIENT, retried


def point_at(api_base: str | None, gateway_url: str | None) -> None:
    """Send everything to another server than discord.com. discord.py keeps both addresses on its classes."""
    if api_base is not None:
        discord.http.Route.BASE = api_base.rstrip("/")
    if gateway_url is not None:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


async def stay_connected(bot: ImageBot, token: str) -> None:
    """Log in and stay online until the bot is closed. Raises CannotConnect.

    A network that is not there yet is waited for; discord.py itself reconnects once it has been online.
    """

    def may_pass(error: BaseException) -> bool:
        return bot.user is None and (is_passing(error) or isinstance(error, aiohttp.ClientError))

    try:
        while bot.user is None:
            try:
                await retried(lambda: bot.login(token), PATIENT, passing=may_pass, doing="reaching Discord")
            except UNSENT as error:
                if not may_pass(error):
                    raise
        await bot.connect()
    except discord.LoginFailure as error:
        raise CannotConnect("token_refused") from error
    except discord.PrivilegedIntentsRequired as error:
        raise CannotConnect("intents_refused") from error
