"""The front end, put together: the one module here that knows all the others."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bot.clock import Clock
from bot.discord_ui.buttons import JobButton
from bot.discord_ui.client import ImageBot
from bot.discord_ui.command_rights import CommandRights
from bot.discord_ui.commands.admin import Admin
from bot.discord_ui.commands.history import LookingBack
from bot.discord_ui.commands.imagine import Imagine
from bot.discord_ui.commands.jobs import Jobs
from bot.discord_ui.commands.models import Models
from bot.discord_ui.commands.results import ResultActions
from bot.discord_ui.delivery.deliveries import ANSWER_DEADLINE, Deliveries
from bot.discord_ui.delivery.post import Desk, Wait, wait_for
from bot.discord_ui.history_buttons import PageButton
from bot.services.admin import AdminService
from bot.services.answers import Recovery
from bot.services.history import History
from bot.services.images import ImageService
from bot.services.results import Results


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """A bot that may be connected, and the deliveries that it owes."""

    bot: ImageBot
    deliveries: Deliveries


async def open_front_end(
    *,
    images: ImageService,
    results: Results,
    history: History,
    admin: AdminService,
    clock: Clock,
    command_hash_file: Path,
    recovery: Recovery,
    hear_date: Callable[[str | None], None],
    wait: Wait = wait_for,
    answer_deadline: float = ANSWER_DEADLINE,
    ping_after: timedelta | None = None,
) -> FrontEnd:
    """Everything that listens on Discord; `recovery`, what a restart found, is delivered after the login, and
    `hear_date` is told the `Date` header of each answer."""
    bot = ImageBot(
        command_hash_file=command_hash_file, logged_in=lambda: deliveries.recover(recovery), hear_date=hear_date
    )
    desk = Desk(client=bot, images=images, clock=clock, wait=wait, ping_after=ping_after)
    deliveries = Deliveries(desk, answer_deadline=answer_deadline)
    bot.add_dynamic_items(JobButton, PageButton)
    rights = CommandRights(bot.tree, "imagine")
    for cog in (
        rights,
        Imagine(images, deliveries),
        Jobs(images, results),
        LookingBack(history),
        Models(images),
        Admin(admin, deliveries),
        ResultActions(bot, images, deliveries, rights, clock),
    ):
        await bot.add_cog(cog)
    return FrontEnd(bot, deliveries)
