"""/admin words, and what members see of it: that something is refused, and never which word."""

import io

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from generation.job import JobStatus
from tests.bot.discord_ui.world import World, labels, words

LISTED = "sw0rdfish"
HELD = pytest.mark.parametrize("started_world", [{"hold": True}], indirect=True)


def said(answer) -> str:
    """Everything that a command or a button was answered with, which has to be private."""
    messages = [one for one in (answer.response, *answer.followups) if one is not None]
    assert messages
    assert answer.ephemeral or answer.followups
    return "\n".join(map(words, messages))


def png(parameters: str) -> bytes:
    out, texts = io.BytesIO(), PngInfo()
    texts.add_text("parameters", f"{parameters}\nSteps: 4, Sampler: Euler, CFG scale: 5, Seed: 1, Size: 64x64")
    Image.new("RGB", (64, 64), "red").save(out, "PNG", pnginfo=texts)
    return out.getvalue()


async def test_words_are_added_tested_listed_and_removed_in_private(world: World) -> None:
    async def admin(command: str, **options) -> str:
        answer = await world.admin.slash(world.channel, f"admin words {command}", **options)
        assert answer.ephemeral
        return said(answer)

    assert "Nothing is set" in await admin("list")
    assert "gore, naïve" in await admin("add", words="gore, naïve")
    assert "in the list already" in await admin("add", words="Gore")
    assert "(a|aa)+$" in (await admin("add", pattern="(a|aa)+$")).replace("\\", "")
    assert "would be refused, for gore" in await admin("test", text="a g.o.r.e scene")
    assert "would not be refused" in await admin("test", text="a gorgeous scene" + "a" * 5000 + "!")
    assert "dogs" in await admin("negative", words="dogs")
    listed = await admin("list")
    for one in (
        "Words, 2 of 500",
        "gore",
        "Patterns, 1 of 50",
        "(a|aa)+$",
        "too slow",
        "In every negative prompt",
        "dogs",
    ):
        assert one in listed
    assert "groups" in await admin("add", pattern="(((((x)))))")
    assert "**words** needs one of words, pattern" in await admin("add")
    assert "Allowed again: gore" in await admin("remove", words="gore")
    assert "None of it" in await admin("remove", pattern="gore")
    assert "any more" in await admin("negative")


async def test_a_long_list_has_pages(world: World) -> None:
    many = [f"word{number:03}{'x' * 50}" for number in range(90)]
    for at in range(0, 90, 30):
        await world.admin.slash(world.channel, "admin words add", words=", ".join(many[at : at + 30]))
    pages = [
        words((await world.admin.slash(world.channel, "admin words list", page=page)).response) for page in (1, 2, 9)
    ]
    assert "Page 1 of 2" in pages[0]
    assert pages[1] == pages[2]
    assert all(word in pages[0] + pages[1] for word in many)


async def test_a_refusal_is_private_and_never_quotes_the_list(world: World) -> None:
    drawn = await world.alice.slash(world.channel, "imagine", prompt="a red Swordfish")
    message = drawn.response
    await world.admin.slash(world.channel, "admin words add", words="swordfish")
    refused = await world.alice.slash(world.channel, "imagine", prompt=f"a {LISTED}")
    assert refused.ephemeral
    assert "your prompt is not allowed on this server" in said(refused)
    negative = await world.alice.slash(world.channel, "imagine", prompt="a cat", negative_prompt=LISTED)
    assert "your negative prompt is not allowed" in said(negative)
    rerun = await world.bob.click(message, label="Rerun")
    picture = await world.alice.slash(world.channel, "imagine", prompt="a cat", image=("in.png", png(f"a {LISTED}")))
    assert "the picture's file" in said(picture)
    for answer in (refused, negative, rerun, picture):
        assert "swordfish" not in said(answer).casefold()
    assert len(await world.jobs()) == 1


async def test_forced_words_are_seen_in_info_and_not_doubled_by_a_rerun(world: World) -> None:
    await world.admin.slash(world.channel, "admin words negative", words="nsfw, gore")
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat", negative_prompt="dogs")
    info = await world.bob.click(first.response, label="Info")
    assert "dogs, nsfw, gore" in words(info.response)
    again = await world.alice.click(first.response, label="Rerun")
    assert words((await world.bob.click(again.response, label="Info")).response).count("nsfw") == words(
        info.response
    ).count("nsfw")
    assert {job.request.negative_prompt for job in await world.jobs()} == {"dogs, nsfw, gore"}


@HELD
async def test_after_a_restart_the_requester_is_told_privately_and_the_channel_shows_the_prompt_no_more(
    world: World,
) -> None:
    waits = await world.alice.slash(world.channel, "imagine", prompt="a red swordfish")
    await world.admin.slash(world.channel, "admin words add", words="swordfish")
    await world.restart()
    await world.env.settle()
    (told,) = world.alice.user.dm_channel.history()
    assert "no longer allowed on its server" in told.content
    assert "not counted" in told.content
    assert "This was not drawn" in waits.response.content
    assert "swordfish" not in words(waits.response)
    assert labels(waits.response) == ["Delete"]
    (job,) = await world.jobs()
    assert (job.status, job.error_code) == (JobStatus.FAILED, "words")
    await world.restart()
    assert len(world.alice.user.dm_channel.history()) == 1, "once"
