"""The front end, put together: the one module here that knows all the others."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bot.clock import Clock
from bot.discord_ui.buttons import JobButton, JobChoice
from bot.discord_ui.client import ImageBot
from bot.discord_ui.command_rights import CommandRights
from bot.discord_ui.commands.access import AccessCommands, AccessUpkeep
from bot.discord_ui.commands.admin import Admin
from bot.discord_ui.commands.history import LookingBack
from bot.discord_ui.commands.imagine import Imagine
from bot.discord_ui.commands.jobs import Jobs
from bot.discord_ui.commands.keeping import Keeping
from bot.discord_ui.commands.menus import MessageMenus
from bot.discord_ui.commands.models import Models
from bot.discord_ui.commands.remakes import RemakeActions
from bot.discord_ui.commands.replays import ReplayActions
from bot.discord_ui.commands.results import ResultActions
from bot.discord_ui.commands.reviewing import Reviewing
from bot.discord_ui.commands.safety import SafetyCommands
from bot.discord_ui.commands.words import WordCommands
from bot.discord_ui.commands.workers import WorkerCommands
from bot.discord_ui.delivery.deliveries import ANSWER_DEADLINE, Deliveries
from bot.discord_ui.delivery.gallery import GalleryCopies
from bot.discord_ui.delivery.post import Desk, Wait, wait_for
from bot.discord_ui.delivery.reviews import HeldPictures
from bot.discord_ui.forms import Forms
from bot.discord_ui.pages import PageButton
from bot.discord_ui.queue_pages import QueuePages
from bot.discord_ui.reactions import Refusals
from bot.discord_ui.replay_button import ReplayButton
from bot.discord_ui.review_buttons import RemovalButton, ReviewButton
from bot.discord_ui.welcome import Welcome
from bot.discord_ui.words import lineage
from bot.discord_ui.worker_buttons import WorkerButton
from bot.records import JobRecord
from bot.services.access_settings import ServerAccess
from bot.services.admin import AdminService
from bot.services.answers import Recovery
from bot.services.history import History
from bot.services.images import ImageService
from bot.services.remakes import Remakes
from bot.services.replays import Replays
from bot.services.results import Results
from bot.services.reviews import Reviews
from bot.services.safety_settings import ServerSafety
from bot.services.stars import Stars
from bot.services.words import Words
from bot.services.workers import Workers


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """A bot that may be connected, the deliveries that it owes, the galleries and held pictures it looks after."""

    bot: ImageBot
    deliveries: Deliveries
    gallery: GalleryCopies
    held: HeldPictures


async def open_front_end(
    *,
    images: ImageService,
    results: Results,
    history: History,
    stars: Stars,
    admin: AdminService,
    words: Words,
    access: ServerAccess,
    server_safety: ServerSafety,
    reviews: Reviews,
    workers: Workers,
    clock: Clock,
    command_hash_file: Path,
    recovery: Recovery,
    hear_date: Callable[[str | None], None],
    wait: Wait = wait_for,
    is_checked: bool = True,
    answer_deadline: float = ANSWER_DEADLINE,
    ping_after: timedelta | None = None,
) -> FrontEnd:
    """Everything that listens on Discord; `recovery`, what a restart found, is delivered after the login, and
    `hear_date` is told the `Date` header of each answer. `is_checked`: pictures are looked at before they are shown."""
    bot = ImageBot(
        command_hash_file=command_hash_file, logged_in=lambda: deliveries.recover(recovery), hear_date=hear_date
    )
    replays = Replays(images)

    async def remark(job: JobRecord) -> str | None:
        verdict = await replays.verdict(job)
        return None if verdict is None else lineage.replayed(verdict)

    desk = Desk(client=bot, images=images, clock=clock, wait=wait, remark=remark, ping_after=ping_after)
    deliveries = Deliveries(desk, answer_deadline=answer_deadline)
    bot.add_dynamic_items(JobButton, JobChoice, PageButton, ReplayButton, ReviewButton, RemovalButton, WorkerButton)
    rights, refusals = CommandRights(bot.tree, "imagine"), Refusals(bot, clock)
    remakes, forms = Remakes(images), Forms()
    remade = RemakeActions(images, remakes, deliveries, rights, forms)
    gallery = GalleryCopies(bot, images, stars, clock)
    pages = QueuePages(reviews, images.pictures)
    held = HeldPictures(bot, images, reviews, server_safety, deliveries, clock)
    worker_commands = WorkerCommands(workers)
    images.pictures.safety.listen(lambda job: bot.dispatch("pictures_held", job))
    for cog in (
        rights,
        Imagine(images, remakes, deliveries, access),
        Jobs(images, results),
        LookingBack(history, images.pictures),
        Models(images, access),
        worker_commands,
        Admin(
            admin,
            worker_commands,
            deliveries,
            SafetyCommands(server_safety, reviews, pages),
            AccessCommands(access, images.catalog),
            WordCommands(words),
        ),
        Reviewing(server_safety, reviews, pages, held, deliveries),
        AccessUpkeep(bot, access),
        Welcome(images.catalog, admin, access, server_safety, is_checked=is_checked),
        ResultActions(bot, images, deliveries, rights, refusals, forms, reviews),
        remade,
        ReplayActions(replays, deliveries, rights),
        MessageMenus(bot, images, remakes, deliveries, rights, forms, remade, access),
        Keeping(bot, images, stars, gallery, deliveries, refusals, clock),
    ):
        await bot.add_cog(cog)
    return FrontEnd(bot, deliveries, gallery, held)
