"""What members see of the queue and of their own use."""

from bot.records import LimitScope, Place
from generation.workers.fake import FakeWorker


async def test_the_queue_shows_ones_own_prompts_and_hides_the_others(open_house, ann, bob, stranger, here):
    house = await open_house(worker=FakeWorker(room=1, hold=True))
    running = await house.images.imagine(house.request(prompt="running"), ann, at=here)
    await house.images.imagine(house.request(prompt="waiting", count=2), bob, at=here)
    await house.images.imagine(house.request(prompt="elsewhere", count=2), stranger, at=Place(channel="5999"))

    view = await house.images.queue(ann)

    (mine,) = view.running
    assert (mine.job_id, mine.mine, mine.prompt, mine.place) == (running.job.id, True, "running", None)
    assert (mine.step, mine.steps) == (0, 2)
    bobs, foreign = view.waiting
    assert (bobs.place, bobs.requester, bobs.mine, bobs.prompt, bobs.count) == (1, bob.id, False, None, 2)
    assert (foreign.place, foreign.requester, foreign.prompt) == (2, None, None)


async def test_usage_says_what_is_used_and_where_each_limit_comes_from(house, ann, bob, admin, here, clock):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, {"images_a_day": 10, "cooldown": 5})
    await house.admin.set_limits(admin, LimitScope.ROLE, "7001", {"images_a_day": 20})
    await house.drawn(ann, count=2)
    clock.pass_(seconds=5)
    await house.images.imagine(house.request(), ann, at=here)
    await house.drawn(bob)

    usage = await house.images.usage(ann)

    assert (usage.jobs, usage.images, usage.device_seconds, usage.waiting_or_running) == (2, 3, 1.5, 1), (
        "the job that waits counts as estimated"
    )
    assert (usage.limits["images_a_day"].value, usage.limits["images_a_day"].scope) == (20, LimitScope.ROLE)
    assert (usage.limits["cooldown"].value, usage.limits["cooldown"].scope) == (5, LimitScope.SERVER)
    assert (usage.limits["jobs_at_once"].value, usage.limits["jobs_at_once"].scope) == (4, None)
    assert usage.resets_at.isoformat() == "2030-05-18T00:00:00+00:00"


async def test_each_server_has_its_own_account(house, ann):
    await house.drawn(ann)
    elsewhere = type(ann)(id=ann.id, name=ann.name, server=None, channel="5555")

    assert (await house.images.usage(elsewhere)).images == 0


async def test_live_jobs_are_ones_own_and_for_a_moderator_the_servers(house, ann, bob, moderator, stranger, here):
    anns = await house.images.imagine(house.request(), ann, at=here)
    bobs = await house.images.imagine(house.request(), bob, at=here)
    await house.drawn(ann)

    assert [record.id for record in await house.images.live_jobs(ann)] == [anns.job.id]
    assert {record.id for record in await house.images.live_jobs(moderator)} == {anns.job.id, bobs.job.id}
    assert await house.images.live_jobs(stranger) == ()


async def test_a_restart_remembers_what_jobs_cost(open_house, house, ann):
    await house.drawn(ann)
    restarted = await open_house()
    request = house.request()
    assert restarted.dispatcher.estimates.seconds(request) is None
    await restarted.restart.learn_costs()
    assert restarted.dispatcher.estimates.seconds(request) is not None
