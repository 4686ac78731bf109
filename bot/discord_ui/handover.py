"""Gets a message to whoever is owed it: past dropped connections, size limits, and places that are gone or closed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import discord

from bot.discord_ui.attachments import LIGHTER_FORMS
from bot.discord_ui.content import Content
from bot.discord_ui.errors import THREAD_ARCHIVED, UNKNOWN_MESSAGE, is_passing, is_too_large
from bot.discord_ui.pacing import EditPacer
from bot.discord_ui.places import Place
from bot.discord_ui.retries import through_dropped_connections

log = logging.getLogger(__name__)

Way: TypeAlias = Callable[[Content], Awaitable[object]]

ATTEMPTS = 7  #: about 12 seconds of a dropped connection


class Handover:
    """Says what must arrive. Progress is not its business: the next one is as good as the last."""

    def __init__(self, place: Place, *, pacer: EditPacer, lines: asyncio.Semaphore) -> None:
        self._place = place
        self._pacer = pacer
        self._lines = lines  #: how many results may be on their way at once, over all posts

    async def insist(self, content: Content, way: Way | None = None) -> None:
        """Say it in the job's own message: before any progress, smaller where it is too large, again after a fault.

        Raises what Discord said last, one of `errors.UNSENT`.
        """
        async with self._lines:
            with self._pacer.posting(str(self._place.channel_id)):
                await in_fitting_form(content, way or self._place.say)

    async def deliver(self, content: Content, requester: int) -> None:
        """Say it there, or wherever else its requester can be reached. Raises what the last way raised."""
        way: Way = self._place.say
        ways = {UNKNOWN_MESSAGE: self._place.say_anew, THREAD_ARCHIVED: self._place.say_in_closed_thread}
        private = False
        while True:
            try:
                await self.insist(content, way)
                return
            except discord.HTTPException as error:
                # A fault that may pass is no reason for a second message, and where even the smallest files are too
                # large another place takes no larger ones.
                if private or is_passing(error) or is_too_large(error):
                    raise
                log.info("the pictures of job %s go another way: %r", content.job_id, error)
                following = ways.pop(error.code, None)
                if following is None:
                    private = True
                    following = partial(self._place.say_privately, user_id=requester)
                way = following


async def in_fitting_form(content: Content, way: Way) -> None:
    """Say it with files as large as Discord takes them. Raises what Discord said last, one of `errors.UNSENT`."""
    fitting = content
    forms = iter(LIGHTER_FORMS if content.attachments else ())
    while True:
        try:
            await through_dropped_connections(partial(way, fitting), attempts=ATTEMPTS)
            return
        except discord.HTTPException as error:
            form = next(forms, None) if is_too_large(error) else None
            if form is None:
                raise
            fitting = await asyncio.to_thread(content.lighter, form)
