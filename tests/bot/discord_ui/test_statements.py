"""What one job costs the database."""

from tests.bot.busy_database import sent_statements
from tests.bot.discord_ui.world import World


async def test_a_job_is_few_statements_in_few_transactions(world: World) -> None:
    await world.alice.slash(world.channel, "imagine", prompt="a cat")  # connected
    with sent_statements() as sent:
        answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
        await world.env.settle()
    assert len(answer.response.attachments) == 1

    bounds = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    assert len([statement for statement in sent if not statement.startswith(bounds)]) <= 11, sent
    assert sent.count("COMMIT") <= 5
