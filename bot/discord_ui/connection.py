"""Connecting to Discord, or to another server that speaks its API."""

import logging

import aiohttp
import discord
import discord.gateway
import discord.http
import tenacity
import yarl

from bot.discord_ui.client import ImageBot
from generation.errors import KnownError

log = logging.getLogger(__name__)


class CannotConnect(KnownError):
    """Discord does not let this bot in, and waiting will not help; the sentence is for the operator."""

    code = "cannot_connect"


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
    waiting = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(lambda error: bot.user is None and _may_pass(error)),
        wait=tenacity.wait_random_exponential(multiplier=1, max=60),
        before_sleep=lambda state: log.warning(
            "Discord cannot be reached (%r); trying again", state.outcome and state.outcome.exception()
        ),
        reraise=True,
    )
    try:
        async for attempt in waiting:
            with attempt:
                await bot.login(token)
        await bot.connect()
    except discord.LoginFailure as error:
        raise CannotConnect("Discord refused the token. Is DISCORD_TOKEN the bot's own, and whole?") from error
    except discord.PrivilegedIntentsRequired as error:
        raise CannotConnect("Discord refused the intents this bot asks for.") from error


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, aiohttp.ClientError | OSError | discord.DiscordServerError)
