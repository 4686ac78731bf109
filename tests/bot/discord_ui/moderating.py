"""What the tests of held pictures begin with."""

from typing import Any

from bot.records import JobRecord
from tests.bot.discord_ui.world import World

DECISIONS = ["Approve", "Keep back", "False positive"]


async def asked(world: World, *, prompt: str = "a secret **cat**", **options: Any) -> Any:
    """A result whose pictures are held; the message that says so."""
    answer = await world.alice.slash(world.channel, "imagine", prompt=prompt, model="pinwheel", **options)
    await world.env.settle()
    return answer


async def only_job(world: World) -> JobRecord:
    return (await world.jobs())[-1]


def told(world: World) -> list[str]:
    """What Alice was told by direct message."""
    return [message.content for message in world.alice.user.dm_channel.history()]
