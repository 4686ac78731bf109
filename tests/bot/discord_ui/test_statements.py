"""What one job costs the database."""

import pytest

from tests.bot.busy_database import sent_statements
from tests.bot.discord_ui.world import World


@pytest.mark.parametrize(
    ("model", "statements", "commits"),
    [
        # Who may draw is read twice, strikes and when they block, and what a server never wants to see again.
        ("builtin", 14, 6),
        # The channel's policy is read too, and the score is written down before anything is shown.
        ("pinwheel", 16, 7),
    ],
)
async def test_a_job_is_few_statements_in_few_transactions(
    world: World, model: str, statements: int, commits: int
) -> None:
    await world.alice.slash(world.channel, "imagine", prompt="a cat")  # connected
    with sent_statements() as sent:
        answer = await world.alice.slash(world.channel, "imagine", prompt="a cat", model=model)
        await world.env.settle()
    assert len(answer.response.attachments) == 1

    bounds = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    assert len([statement for statement in sent if not statement.startswith(bounds)]) <= statements, sent
    assert sent.count("COMMIT") <= commits
