"""The buttons below a job's message."""

from dataclasses import replace
from uuid import uuid4

import pytest

from generation.job import JobStatus
from tests.bot.discord_ui import hostile
from tests.bot.discord_ui.world import World, labels, words

HELD = pytest.mark.parametrize("started_world", [{"hold": True}], indirect=True)


async def test_anyone_may_rerun_and_is_charged(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a red heart", seed=7, steps=3)
    again = await world.bob.click(first.response, label="Rerun")
    assert len(again.response.attachments) == 1
    assert not again.ephemeral
    assert "**bob**" in again.response.content
    assert len(first.response.attachments) == 1
    original, rerun = await world.jobs()
    assert rerun.parent == original.id
    assert rerun.requester == str(world.bob.id)
    assert rerun.request.seed != 7
    assert replace(rerun.request, seed=7) == original.request


async def test_info_is_private_and_copyable(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a *red* heart", negative_prompt="blue", seed=7)
    info = await world.bob.click(first.response, label="Info")
    assert info.ephemeral
    said = words(info.response)
    assert "```\na *red* heart\nNegative prompt: blue\nSteps: 25" in said
    assert "Seed: 7" in said
    assert str((await world.jobs())[0].id) in said


async def test_the_numbers_that_are_shown_draw_the_same_picture_again(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a heart", guidance=7.1234567)
    said = words((await world.alice.click(first.response, label="Info")).response)
    assert "CFG scale: 7.1234567" in said
    assert said.count("7.1234567") == 2, "in the text to copy, and under Guidance"


@pytest.mark.parametrize("prompt", ["x " * 3000, "a ``` fence"])
async def test_info_that_fits_no_message_comes_as_a_file(world: World, prompt: str) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt=prompt)
    info = await world.alice.click(first.response, label="Info")
    (file,) = info.response.attachments
    assert (await file.read()).decode().startswith(prompt.strip())


async def test_the_requester_may_delete(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a red heart")
    await world.alice.click(first.response, label="Delete")
    assert first.response is None
    assert (await world.jobs())[0].deleted_at is not None
    assert not list((world.folder / "images").glob("**/*.png"))


async def test_a_moderator_may_delete_and_others_may_not(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a red heart")
    refused = await world.bob.click(first.response, label="Delete")
    assert first.response is not None
    assert refused.followups[0].ephemeral
    assert (await world.jobs())[0].deleted_at is None
    asked = await world.mod.click(first.response, label="Delete")
    await world.mod.click(asked.response, label="Only this")
    assert first.response is None
    (told,) = world.alice.user.dm_channel.history()
    assert "A moderator on **Test Guild** deleted" in told.content


async def test_delete_may_be_pressed_twice(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a red heart")
    # Both presses were on their way before the message went.
    world.env.inject_error("DELETE", "/webhooks/*", status=404, code=10008, times=1)
    await world.alice.click(first.response, label="Delete")
    assert world.channel.last_message is not None, "the picture has outlived its job"
    await world.alice.click(first.response, label="Delete")
    assert world.channel.last_message is None


async def test_rerun_pressed_twice_is_two_jobs(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a red heart")
    for _ in range(2):
        await world.bob.click(first.response, label="Rerun")
    jobs = await world.jobs()
    assert len({job.request.seed for job in jobs}) == 3


@HELD
async def test_cancel_while_it_waits_or_runs(world: World) -> None:
    world.parts.worker.places = 1
    running = await world.alice.slash(world.channel, "imagine", prompt="runs")
    waiting = await world.alice.slash(world.channel, "imagine", prompt="waits")
    assert labels(running.response) == labels(waiting.response) == ["Cancel"]
    for answer in (waiting, running):
        refused = await world.bob.click(answer.response, label="Cancel")
        assert refused.followups[0].ephemeral
        assert labels(answer.response) == ["Cancel"]
    await world.alice.click(waiting.response, label="Cancel")
    await world.until(lambda: "Cancelled" in waiting.response.content)
    await world.mod.click(running.response, label="Cancel")
    await world.until(lambda: "Cancelled" in running.response.content)
    assert {job.status for job in await world.jobs()} == {JobStatus.CANCELLED}
    assert "Cancel" not in labels(running.response)


@HELD
async def test_cancel_may_be_pressed_twice(world: World) -> None:
    running = await world.alice.slash(world.channel, "imagine", prompt="runs")
    message = running.response
    await world.alice.click(message, label="Cancel")
    await world.until(lambda: "Cancelled" in running.response.content)
    again = await world.press(world.alice, message, f"job:cancel:{world.parts.worker.drawn[0].id.hex}")
    assert again.followups[0].ephemeral
    assert "over" in again.followups[0].content


@pytest.mark.parametrize("action", ["rerun", "info", "delete", "cancel"])
async def test_a_button_of_a_made_up_job_is_answered(world: World, action: str) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a red heart")
    pressed = await world.press(world.alice, first.response, f"job:{action}:{uuid4().hex}")
    told = pressed.followups[0] if pressed.followups else pressed.response
    assert told.ephemeral
    assert "do not know this job" in told.content
    assert len(await world.jobs()) == 1


@pytest.mark.parametrize(
    "custom_id", ["job:explode:" + "0" * 32, "job:info:nonsense", "old-button", "job:info:" + "Z" * 32]
)
async def test_an_unknown_button_is_answered(world: World, custom_id: str) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a red heart")
    pressed = await world.press(world.alice, first.response, custom_id)
    assert pressed.ephemeral
    assert "do not know this button" in pressed.response.content


async def test_a_known_button_on_another_message_is_answered(world: World) -> None:
    await world.alice.slash(world.channel, "imagine", prompt="a red heart")
    said = await world.alice.send(world.channel, "hello")
    (job,) = await world.jobs()
    pressed = await hostile.press_elsewhere(world.alice, world.channel, said.id, f"job:rerun:{job.id.hex}")
    assert pressed.ephemeral
    assert "do not know this button" in pressed.response.content
    assert len(await world.jobs()) == 1


async def test_an_unknown_form_is_answered(world: World) -> None:
    sent = await hostile.send_form(world.alice, world.channel, "of another version")
    assert sent.ephemeral
    assert "do not know this" in sent.response.content


@pytest.mark.parametrize("action", ["rerun", "info", "delete"])
async def test_another_servers_job_is_unknown(world: World, action: str) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a secret")
    elsewhere = world.env.create_guild("elsewhere")
    channel = elsewhere.create_text_channel("general")
    eve = elsewhere.add_member(world.env.create_user("eve"))
    own = await eve.slash(channel, "imagine", prompt="mine")
    pressed = await world.press(eve, own.response, f"job:{action}:{(await world.jobs())[0].id.hex}")
    told = pressed.followups[0] if pressed.followups else pressed.response
    assert told.ephemeral
    assert "secret" not in words(told)
    assert first.response is not None
    assert len(await world.jobs()) == 2


async def test_an_unexpected_error_is_told_with_a_reference_that_the_log_has(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    first = await world.alice.slash(world.channel, "imagine", prompt="a red heart")
    monkeypatch.setattr(world.parts.images, "job", broken)
    pressed = await world.alice.click(first.response, label="Info")
    told = (pressed.followups or [pressed.response])[0]
    assert told.ephemeral
    assert "secret" not in told.content
    reference = told.content.split("`")[1]
    assert reference in caplog.text
    assert "secret detail" in caplog.text


async def test_a_rerun_needs_permissions_too(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a red heart")
    world.deny("attach_files")
    refused = await world.bob.click(first.response, label="Rerun")
    assert refused.ephemeral
    assert "Attach Files" in refused.response.content
    assert len(await world.jobs()) == 1
