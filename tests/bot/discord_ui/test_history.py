"""/history and /show: only what is theirs to see, page by page, on any day after."""

import io
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from PIL import Image
from simcord.components import walk_components

from bot.records import JobRecord, Place
from bot.storage import jobs
from generation.result import DrawnWith
from tests.bot.discord_ui import hostile
from tests.bot.discord_ui.world import World, words

HELD = pytest.mark.parametrize("started_world", [{"hold": True}], indirect=True)
NASTY = "# @everyone <@1> [x](https://evil.example) ``` **b** " * 100


def buttons(message: Any) -> dict[str, str]:
    """The ids of a layout's buttons, by label."""
    return {one["label"]: one["custom_id"] for one in walk_components(message.components) if one["type"] == 2}


def thumbnails(message: Any) -> list[str]:
    return [one["media"]["url"] for one in walk_components(message.components) if one["type"] == 11]


async def draw(world: World, *prompts: str, **options: Any) -> Any:
    """Alice asks for these, one after the other; the last one's message."""
    for prompt in prompts:
        await world.env.advance_time(1)
        drawn = await world.alice.slash(world.channel, "imagine", prompt=prompt, **options)
    return drawn.response


async def write(world: World, *records: JobRecord) -> None:
    await world.database.write(lambda transaction: jobs.insert(transaction, *records))


async def test_a_member_turns_the_pages_of_their_own_history(world: World) -> None:
    await draw(world, *(f"cat number {number}" for number in range(1, 13)))
    await world.bob.slash(world.channel, "imagine", prompt="a dog")
    answer = await world.alice.slash(world.channel, "history")
    assert answer.ephemeral
    page = answer.response
    assert [f"cat number {number}" in words(page) for number in (12, 8, 7)] == [True, True, False]
    assert "dog" not in words(page)
    assert list(buttons(page)) == ["Older ▶"]
    assert len(thumbnails(page)) == len(page.attachments) == 5

    await world.alice.click(page, label="Older ▶")
    assert ["number 7" in words(page), "number 3" in words(page), "number 8" in words(page)] == [True, True, False]
    assert list(buttons(page)) == ["◀ Newer", "Older ▶"]
    await world.alice.click(page, label="Older ▶")
    assert "number 1\n" in words(page)
    assert list(buttons(page)) == ["◀ Newer"]
    assert len(thumbnails(page)) == len(page.attachments) == 2
    await world.alice.click(page, label="◀ Newer")
    assert "number 7" in words(page)
    await world.alice.click(page, label="◀ Newer")
    assert "number 12" in words(page)
    assert list(buttons(page)) == ["Older ▶"]


async def test_pages_go_on_after_a_restart(world: World) -> None:
    await draw(world, *(f"cat {number}" for number in range(6)))
    page = (await world.alice.slash(world.channel, "history")).response
    await world.restart()
    await world.alice.click(page, label="Older ▶")
    assert "cat 0" in words(page)


async def test_thumbnails_are_small_files_of_the_first_picture(world: World) -> None:
    await draw(world, "a cat", aspect="3:2", count=2, model="pinwheel")
    page = (await world.alice.slash(world.channel, "history")).response
    (url,) = thumbnails(page)
    (file,) = page.attachments
    assert file.filename in url
    picture = Image.open(io.BytesIO(await file.read()))
    assert max(picture.size) == 160
    assert picture.format == "JPEG"
    assert "2 pictures" in words(page)


async def test_somebody_who_has_asked_for_nothing_is_told_how(world: World) -> None:
    answer = await world.alice.slash(world.channel, "history")
    assert answer.ephemeral
    assert "/imagine" in words(answer.response)


@HELD
async def test_history_says_what_became_of_each_job(world: World) -> None:
    world.parts.worker.places = 1
    await draw(world, "first", "second", "third", "fourth")
    worker = world.parts.worker
    worker.release(worker.drawn[0].id)
    await world.until(lambda: len(worker.drawn) == 2)
    *_, last = await world.jobs()
    await world.alice.slash(world.channel, "cancel", job=str(last.id))
    entries = words((await world.alice.slash(world.channel, "history")).response).split("🎨")[1:]
    assert [entry.split()[0] for entry in entries] == ["fourth", "third", "second", "first"]
    for entry, state in zip(entries, ("cancelled", "waiting", "being drawn", "done"), strict=True):
        assert f"1 picture · {state} · <t:" in entry
    assert f"discord.com/channels/{world.guild.id}/{world.channel.id}/" in entries[-1]


async def test_deleted_jobs_are_not_shown_and_removed_files_are_words(world: World) -> None:
    await world.alice.click(await draw(world, "kept", "deleted"), label="Delete")
    kept, deleted = await world.jobs()
    await world.remove_pictures()
    page = (await world.alice.slash(world.channel, "history")).response
    assert "no longer kept" in words(page)
    assert thumbnails(page) == []
    assert "deleted" not in words(page)
    answer = await world.alice.slash(world.channel, "show", job=str(deleted.id))
    assert "do not know this job" in answer.response.content
    assert "no longer kept" in words((await world.alice.slash(world.channel, "show", job=str(kept.id))).response)


async def test_prompts_in_history_and_show_act_on_nobody(world: World) -> None:
    await draw(world, *[NASTY[:6000]] * 5)
    page = (await world.alice.slash(world.channel, "history")).response
    (job, *_) = await world.jobs()
    shown = await world.alice.slash(world.channel, "show", job=str(job.id))
    assert "<@1>" not in words(page).replace("\\<@1>", "")
    assert "https://evil" not in words(page)
    assert len(words(page)) <= 4000
    assert "attached file" in words(shown.response)
    assert NASTY.strip()[:100] in (await shown.response.attachments[0].read()).decode()


@pytest.mark.parametrize("at", ["0", "9999999999999999", "1"])
async def test_a_made_up_page_shows_whoever_presses_their_own_jobs(world: World, at: str) -> None:
    public = await draw(world, "a cat of Alice")
    await world.bob.slash(world.channel, "imagine", prompt="a dog of Bob")
    page = (await world.bob.slash(world.channel, "history")).response
    for towards in ("older", "newer"):
        custom_id = f"history:{towards}:{at}:{uuid4().hex}"
        answer = await world.press(world.bob, public, custom_id)
        assert answer.ephemeral
        assert "Alice" not in words(answer.response)
        assert "a dog of Bob" in words(answer.response)
        await hostile.press(world.bob, world.channel, page.id, custom_id)
        assert "a dog of Bob" in words(page)


@pytest.mark.parametrize("custom_id", ["history:older:1e9:x", "history:up:1:" + "0" * 32, "history:older::"])
async def test_a_page_that_is_no_page_is_refused_privately(world: World, custom_id: str) -> None:
    answer = await world.press(world.bob, await draw(world, "a cat"), custom_id)
    assert answer.ephemeral
    assert "do not know this button" in answer.response.content


async def test_show_has_the_whole_record_and_its_line_of_parents(world: World) -> None:
    await world.alice.click(await draw(world, "a cat", seed=7), label="Rerun")
    first, second = await world.jobs()
    later = [
        JobRecord(
            id=uuid4(), request=second.request, requester=second.requester, requester_name="alice",
            place=Place(channel=str(world.channel.id)), server=second.server, parent=second.id, action="vary_subtle",
            accepted_at=second.accepted_at + timedelta(seconds=1), crashes=1, estimated_seconds=2.0,
        ),
    ]  # fmt: skip
    await write(world, *later)
    answer = await world.alice.slash(world.channel, "show", job=str(later[0].id))
    assert answer.ephemeral
    shown = words(answer.response)
    assert "`1.` vary subtle, of: a cat" in shown
    assert "`2.` rerun, of: a cat" in shown
    assert f"{world.channel.id}/{first.place.message}" in shown
    for part in ("Steps: ", "Crashes 1", "estimated 2.0 s", "Status waiting", f"`{second.request.seed}`", "64×64"):
        assert part in shown, part


async def test_a_long_line_of_parents_is_cut_and_fits(world: World) -> None:
    await draw(world, NASTY[:6000])
    (first,) = await world.jobs()
    line = [first]
    for number in range(12):
        line.append(
            JobRecord(
                id=UUID(int=number + 1), request=first.request, requester=first.requester, requester_name="alice",
                place=first.place, server=first.server, parent=line[-1].id, action="zoom_out_1.5",
                accepted_at=first.accepted_at + timedelta(seconds=number + 1),
            )
        )  # fmt: skip
        await write(world, line[-1])
    shown = words((await world.alice.slash(world.channel, "show", job=str(line[-1].id))).response)
    assert "`10.` zoom out 1.5" in shown
    assert "`11.`" not in shown
    assert "and more before that" in shown


async def test_parents_that_are_deleted_or_of_other_servers_say_nothing(world: World) -> None:
    await draw(world, "a secret")
    (parent,) = await world.jobs()
    elsewhere = world.env.create_guild("elsewhere")
    eve = elsewhere.add_member(world.env.create_user("eve"))
    there = elsewhere.create_text_channel("general")
    child = JobRecord(
        id=uuid4(), request=parent.request, requester=str(eve.id), requester_name="eve", server=str(elsewhere.id),
        place=Place(channel=str(there.id)), parent=parent.id, action="use_as_image", accepted_at=parent.accepted_at,
    )  # fmt: skip
    await write(world, child)
    shown = words((await eve.slash(there, "show", job=str(child.id))).response)
    assert "not yours to see" in shown
    assert parent.place.message not in shown


async def test_show_knows_the_jobs_of_this_server_and_no_others(world: World) -> None:
    await draw(world, "a cat")
    (job,) = await world.jobs()
    assert "a cat" in words((await world.bob.slash(world.channel, "show", job=str(job.id))).response)
    elsewhere = world.env.create_guild("elsewhere")
    eve = elsewhere.add_member(world.env.create_user("eve"))
    there = elsewhere.create_text_channel("general")
    for typed in (str(job.id), str(uuid4()), "nonsense", "", "0" * 6000):
        answer = await hostile.send(
            eve, there, hostile.Call(path=("show",), options=[{"name": "job", "type": 3, "value": typed}])
        )
        assert answer.ephemeral
        assert "do not know this job" in answer.response.content


async def test_show_offers_the_members_own_jobs(world: World) -> None:
    await draw(world, "a cat", "a cow")
    await world.bob.slash(world.channel, "imagine", prompt="a dog")
    offered = await world.alice.autocomplete(world.channel, "show", "job", "")
    assert [choice["name"].partition(": ")[2] for choice in offered] == ["a cow", "a cat"]
    (cat,) = await world.alice.autocomplete(world.channel, "show", "job", "cat")
    assert "a cat" in words((await world.alice.slash(world.channel, "show", job=cat["value"])).response)


async def test_own_jobs_are_seen_from_direct_messages_too(world: World) -> None:
    await draw(world, "a cat")
    (job,) = await world.jobs()
    own = world.alice.user
    assert "a cat" in words((await own.slash("history")).response)
    assert "a cat" in words((await own.slash("show", job=str(job.id))).response)


async def test_compare_shows_what_differs_and_only_that(world: World) -> None:
    world.parts.worker.drawn_with = DrawnWith(device="Card A", torch="2.1", dtype="float16", rows=8)
    await draw(world, "a cat " * 40 + "in a hat", seed=7, guidance=5.5, model="builtin")
    world.parts.worker.drawn_with = DrawnWith(device="Card B", torch="2.1", dtype="float16", rows=8)
    await draw(world, "a cat " * 40 + "in a **box**", seed=8, guidance=5.5, model="builtin")
    first, second = await world.jobs()
    answer = await world.alice.slash(world.channel, "compare", first=str(first.id), second=str(second.id))
    assert answer.ephemeral
    (embed,) = answer.response.embeds
    found = {part.name: part.value for part in embed.fields}
    assert found.keys() == {"Prompt", "Seed", "Device"}
    assert found["Seed"] == "`1.` 7\n`2.` 8"
    assert found["Device"] == "`1.` Card A\n`2.` Card B"
    one, other = found["Prompt"].splitlines()
    assert one.endswith("a cat in a hat")
    assert other.endswith(r"a cat in a \*\*box\*\*")
    assert max(len(one), len(other)) < 90


async def test_a_job_compared_with_itself_differs_in_nothing(world: World) -> None:
    await draw(world, "a cat")
    (job,) = await world.jobs()
    answer = await world.alice.slash(world.channel, "compare", first=str(job.id), second=str(job.id))
    assert "Nothing that is known" in words(answer.response)
    assert answer.response.embeds[0].fields == []


async def test_a_long_prompt_that_only_goes_on_shows_where(world: World) -> None:
    await draw(world, "a cat " * 40, seed=1)
    await draw(world, "a cat " * 40 + "in a hat", seed=1)
    first, second = await world.jobs()
    shown = words(
        (await world.alice.slash(world.channel, "compare", first=str(first.id), second=str(second.id))).response
    )
    assert "a cat in a hat" in shown


async def test_the_longest_prompts_can_be_compared(world: World) -> None:
    await draw(world, ("*_`~|" * 1200)[:6000], seed=1)
    await draw(world, ("<@1>[" * 1200)[:6000], negative_prompt="*" * 6000, seed=2)
    first, second = await world.jobs()
    answer = await world.alice.slash(world.channel, "compare", first=str(first.id), second=str(second.id))
    assert "Negative prompt" in words(answer.response)


async def test_only_jobs_that_may_be_seen_are_compared(world: World) -> None:
    await draw(world, "a cat")
    (job,) = await world.jobs()
    elsewhere = world.env.create_guild("elsewhere")
    eve = elsewhere.add_member(world.env.create_user("eve"))
    there = elsewhere.create_text_channel("general")
    own = await eve.slash(there, "imagine", prompt="mine")
    assert own.response is not None
    *_, mine = await world.jobs()
    for first, second in ((mine, job), (job, mine)):
        answer = await eve.slash(there, "compare", first=str(first.id), second=str(second.id))
        assert answer.ephemeral
        assert "do not know this job" in answer.response.content
    offered = await eve.autocomplete(there, "compare", "second", "")
    assert [choice["value"] for choice in offered] == [str(mine.id)]
