"""/admin workers: what draws, and who may send it away."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from simcord.actors import MemberActor

from bot.discord_ui.words.workers import workers
from bot.discord_ui.worker_buttons import MOST, worker_rows
from bot.records import Member
from bot.services.workers import Workers, WorkerState
from generation.device import DeviceState
from generation.result import DrawnWith
from tests.bot.discord_ui.world import World, words

TWO = pytest.mark.parametrize("started_world", [{"devices": ("1 (cuda:0)", "2 (cuda:1)")}], indirect=True)
HELD = pytest.mark.parametrize(
    "started_world", [{"devices": ("1 (cuda:0)", "2 (cuda:1)"), "hold": True}], indirect=True
)


@pytest.fixture
def owned_by(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets Discord say whose the application is: one member's, or a team's with these roles."""

    def user(actor: MemberActor) -> dict[str, Any]:
        return {"id": str(actor.id), "username": actor.name, "discriminator": "0", "avatar": None}

    def own(*actors: MemberActor, role: str | None = None, state: int = 2) -> None:
        members = [
            {"user": user(actor), "membership_state": state, "role": role, "team_id": "1", "permissions": ["*"]}
            for actor in actors
        ]
        team = {"id": "1", "name": "us", "icon": None, "owner_user_id": str(world.owner.id), "members": members}
        application = {
            "id": "1",
            "name": "Imagine",
            "icon": None,
            "description": "",
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "0" * 64,
            "owner": user(actors[0]),
            "team": team if role is not None else None,
        }

        async def application_info() -> dict[str, Any]:
            return application

        monkeypatch.setattr(world.parts.bot.http, "application_info", application_info)

    return own


def labels(response: Any) -> list[str]:
    return [button.label for button in response.components[0].children] if response.components else []


async def drained(world: World, number: int) -> None:
    await world.until(lambda: world.parts.supervisor.devices[number].state is DeviceState.DRAINED)


async def test_a_single_device_is_shown_and_cannot_be_drained(world: World, owned_by: Callable[..., None]) -> None:
    owned_by(world.admin)
    world.parts.worker.drawn_with = DrawnWith(device="NVIDIA H100", rows=8)
    await world.alice.slash(world.channel, "imagine", prompt="a cat", steps=10, count=2)
    answer = await world.admin.slash(world.channel, "admin workers")
    assert answer.ephemeral
    seen = words(answer.response)
    assert "**cpu** 🟢 ready, started <t:" in seen
    assert "NVIDIA H100 · nothing to draw · 20 steps a second" in seen
    assert "in the bot's own process" in seen
    with pytest.raises(Exception, match="Drain"):
        await world.admin.click(answer.response, label="Drain cpu")


async def test_only_who_owns_the_application(world: World, owned_by: Callable[..., None]) -> None:
    """Those who manage a server do not."""
    owned_by(world.bob)
    for actor in (world.alice, world.mod):
        with pytest.raises(Exception, match="not visible"):
            await actor.slash(world.channel, "admin workers")
    answer = await world.admin.slash(world.channel, "admin workers")
    assert answer.response.content == "Only who owns this bot's application may do that."
    assert "cpu" not in words(answer.response)


@pytest.mark.parametrize(
    ("role", "state", "may"), [("admin", 2, True), ("developer", 2, True), ("read_only", 2, False), ("admin", 1, False)]
)
async def test_of_a_team_those_who_may_change_the_application(
    world: World, owned_by: Callable[..., None], role: str, state: int, may: bool
) -> None:
    owned_by(world.admin, role=role, state=state)
    answer = await world.admin.slash(world.channel, "admin workers")
    assert ("🟢" in words(answer.response)) is may


@TWO
async def test_a_worker_with_nothing_to_draw_is_drained_at_once_and_taken_back(
    world: World, owned_by: Callable[..., None]
) -> None:
    owned_by(world.admin)
    answer = await world.admin.slash(world.channel, "admin workers")
    pressed = await world.admin.click(answer.response, label="Drain 1 (cuda:0)")
    assert "**1 (cuda:0)** 🟡 leaving\n" in words(pressed.response), "it draws nothing"
    await drained(world, 0)
    pressed = await world.admin.click(answer.response, label="Look again")
    assert "**1 (cuda:0)** ⚪ drained <t:" in words(pressed.response)
    await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert len(world.children[1].drawn) == 1
    await world.admin.click(answer.response, label="Take back 1 (cuda:0)")
    await world.until(lambda: world.parts.supervisor.devices[0].state is DeviceState.READY)
    pressed = await world.admin.click(answer.response, label="Look again")
    assert "**1 (cuda:0)** 🟢 ready" in words(pressed.response)
    assert len(world.children) == 3


@TWO
async def test_the_last_one_that_draws_is_drained_after_a_question_only(
    world: World, owned_by: Callable[..., None]
) -> None:
    owned_by(world.admin)
    answer = await world.admin.slash(world.channel, "admin workers")
    await world.admin.click(answer.response, label="Drain 1 (cuda:0)")
    await drained(world, 0)
    asked = await world.admin.click(answer.response, label="Drain 2 (cuda:1)")
    assert "is the only one that draws. Everything waits until you take one back" in asked.response.content
    assert world.parts.dispatcher.can_draw
    await world.admin.click(asked.response, label="Drain 2 (cuda:1)")
    await drained(world, 1)
    assert not world.parts.dispatcher.can_draw


@TWO
async def test_the_only_one_that_is_being_started_is_drained_after_a_question_only(world: World) -> None:
    supervisor = world.parts.supervisor
    service = Workers(dispatcher=world.parts.dispatcher, supervisor=supervisor, clock=lambda: datetime.now(UTC))
    operator = Member(id="1", name="Ada", server=None, channel="5", is_operator=True)
    first, second = (device.name for device in supervisor.devices)
    for number, name in enumerate((first, second)):
        supervisor.drain(name)
        await drained(world, number)
    assert service.needs_consent(operator, first) is None
    supervisor.take_back(first)
    asked = service.needs_consent(operator, first)
    assert asked is not None
    assert asked.state is DeviceState.STARTING


@HELD
async def test_a_worker_that_draws_is_drained_after_a_question_only(
    world: World, owned_by: Callable[..., None]
) -> None:
    owned_by(world.admin)
    await world.alice.slash(world.channel, "imagine", prompt="a cat", count=3)
    answer = await world.admin.slash(world.channel, "admin workers")
    busy = 0 if world.children[0].drawn else 1
    name = ("1 (cuda:0)", "2 (cuda:1)")[busy]
    assert "1 job, 3 pictures" in words(answer.response)
    asked = await world.admin.click(answer.response, label=f"Drain {name}")
    assert "has 1 job, 3 pictures. What it draws has 30 seconds" in asked.response.content
    left = await world.admin.click(asked.response, label="Look again")
    assert words(left.response).count("🟢") == 2
    asked = await world.admin.click(answer.response, label=f"Drain {name}")
    leaving = await world.admin.click(asked.response, label=f"Drain {name}")
    assert "🟡 leaving: it finishes" in words(leaving.response)
    world.children[busy].release()
    await drained(world, busy)
    (job,) = await world.jobs()
    assert job.crashes == 0


@TWO
async def test_a_press_is_judged_when_it_is_made(world: World, owned_by: Callable[..., None]) -> None:
    """An owner who gave the application away meanwhile can do nothing with the buttons they still see."""
    owned_by(world.admin)
    answer = await world.admin.slash(world.channel, "admin workers")
    owned_by(world.bob)
    refused = await world.admin.click(answer.response, label="Drain 1 (cuda:0)")
    assert refused.followups[0].content == "Only who owns this bot's application may do that."
    assert world.parts.supervisor.devices[0].state is DeviceState.READY


@TWO
async def test_a_worker_that_was_lost_is_shown_with_how_often(world: World, owned_by: Callable[..., None]) -> None:
    owned_by(world.admin)
    world.children[0].lose()
    devices = world.parts.supervisor
    await world.until(
        lambda: len(world.children) == 3 and all(one.state is DeviceState.READY for one in devices.devices)
    )
    seen = words((await world.admin.slash(world.channel, "admin workers")).response)
    assert "lost 1 time" in seen
    assert seen.count("🟢") == 2


async def test_where_discord_does_not_say_whose_the_application_is_nobody_may(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.env.inject_error("GET", "/oauth2/applications/@me", status=500, code=0, times=None)
    answer = await world.admin.slash(world.channel, "admin workers")
    assert "very busy" in (answer.followups or [answer.response])[0].content


def test_the_buttons_fit_into_what_discord_takes() -> None:
    state = WorkerState(
        name="x" * 200,
        state=DeviceState.READY,
        since=datetime(2030, 1, 1, tzinfo=UTC),
        losses=3,
        device="y" * 300,
        models=("z" * 300,),
        jobs=1,
        images=1,
        pace=1.0,
        may_leave=True,
    )
    view = worker_rows([state] * 40)
    assert len(view.children) == MOST + 1
    for button in view.to_components()[0]["components"]:
        assert len(button["label"]) <= 80
        assert len(button["custom_id"]) <= 100
    assert len(workers([state] * 40).description or "") <= 4096
