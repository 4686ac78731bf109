"""What a job will cost, and when it will be done."""

import statistics
from typing import Any

import pytest

from generation.catalog import ModelSpec
from generation.dispatcher import Dispatcher
from generation.estimates import REMEMBERED, Estimates
from generation.forecast import EXACT, MEANWHILE, Forecast
from generation.journal import MemoryJournal
from generation.request import GenerationRequest
from generation.workers.fake import FakeWorker
from tests.benchmarks.busy_hour import estimate_errors
from tests.generation.dispatching import job, soon


def request(**wishes: Any) -> GenerationRequest:
    return job(**wishes).request


def test_nothing_is_promised_before_anything_was_measured() -> None:
    estimates = Estimates()
    assert estimates.seconds(request()) is None
    estimates.learn(request(model="another"), 3.0)
    assert estimates.seconds(request()) is None
    estimates.learn(request(), 0.0)
    assert estimates.seconds(request()) is None, "no time is no measurement"


def test_an_estimate_repeats_what_was_measured() -> None:
    estimates = Estimates()
    estimates.learn(request(steps=10), 4.0)
    assert estimates.seconds(request(steps=10)) == pytest.approx(4.0)


def test_more_steps_more_pictures_and_guidance_cost_more() -> None:
    estimates = Estimates()
    estimates.learn(request(steps=7), 10.0)  # ten rows: seven steps, and decoding as three
    assert estimates.seconds(request(steps=17)) == pytest.approx(20.0)
    assert estimates.seconds(request(steps=7, count=3)) == pytest.approx(30.0)
    assert estimates.seconds(request(steps=7, guidance_scale=7.5)) == pytest.approx(17.0)


def test_another_size_is_judged_by_its_pixels() -> None:
    estimates = Estimates()
    estimates.learn(request(width=64, height=64), 2.0)
    assert estimates.seconds(request(width=128, height=64)) == pytest.approx(4.0)
    estimates.learn(request(width=128, height=64), 9.0)
    assert estimates.seconds(request(width=128, height=64)) == pytest.approx(9.0)
    assert estimates.seconds(request(width=128, height=128)) == pytest.approx(18.0), "by the nearest one"


def test_an_estimate_ignores_one_odd_job_and_forgets_old_ones() -> None:
    estimates = Estimates()
    for seconds in (2.0, 2.0, 2.0, 200.0):
        estimates.learn(request(), seconds)
    assert estimates.seconds(request()) == pytest.approx(2.0)
    for _ in range(REMEMBERED):
        estimates.learn(request(), 5.0)
    assert estimates.seconds(request()) == pytest.approx(5.0)


async def test_a_job_is_done_when_those_before_it_are() -> None:
    estimates = Estimates()
    estimates.learn(request(), 10.0)
    worker = FakeWorker(room=1, hold=True)
    dispatcher = Dispatcher([worker], MemoryJournal(), estimates=estimates)
    await dispatcher.start()
    await dispatcher.ready()
    first, second, third = (dispatcher.submit(job(who)) for who in "abc")
    more = 10.0 * MEANWHILE

    def told() -> list[float | None]:
        return [ticket.progress.seconds_left for ticket in (first, second, third)]

    assert told() == pytest.approx([10.0 + more, 20.0 + more, 30.0 + more])
    worker.steps(first.job.id, 5)
    await soon()
    assert told() == pytest.approx([5.0 + more, 15.0 + more, 25.0 + more])
    await dispatcher.cancel(second.job.id)
    assert third.progress.seconds_left == pytest.approx(15.0 + more)
    await dispatcher.close()


async def test_a_job_behind_one_that_nobody_can_judge_is_promised_nothing() -> None:
    estimates = Estimates()
    estimates.learn(request(), 10.0)
    dispatcher = Dispatcher([FakeWorker(room=1, hold=True)], MemoryJournal(), estimates=estimates)
    await dispatcher.start()
    await dispatcher.ready()
    first, unknown, last = (
        dispatcher.submit(job(who, model=model)) for who, model in (("a", "m"), ("b", "n"), ("c", "m"))
    )
    assert first.progress.seconds_left is not None
    assert [ticket.progress.seconds_left for ticket in (unknown, last)] == [None, None]
    await dispatcher.close()


def test_beyond_the_first_jobs_the_work_is_added_up() -> None:
    estimates = Estimates()
    estimates.learn(request(), 1.0)
    line = tuple(job() for _ in range(EXACT + 100))
    forecast = Forecast(estimates)
    told = [forecast.seconds_left(one.id, line=line, done=lambda _: 0.0, places=4, workers=1) for one in line]
    assert told[-1] == pytest.approx(len(line) + MEANWHILE)
    assert told == sorted(told)  # type: ignore[type-var]


async def test_a_short_job_beside_a_long_one_is_done_sooner() -> None:
    estimates = Estimates()
    estimates.learn(request(steps=7), 10.0)
    dispatcher = Dispatcher([FakeWorker(hold=True)], MemoryJournal(), estimates=estimates)
    await dispatcher.start()
    await dispatcher.ready()
    short, long = dispatcher.submit(job(steps=7)), dispatcher.submit(job(steps=97))
    assert short.progress.seconds_left == pytest.approx(20.0 + 10.0 * MEANWHILE), (
        "its own ten seconds, and as many for the other"
    )
    assert long.progress.seconds_left == pytest.approx(110.0 + 100.0 * MEANWHILE)
    await dispatcher.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_promises_of_a_busy_hour_are_kept(seed: int) -> None:
    errors = estimate_errors(seed=seed)
    assert len(errors) > 300
    assert statistics.median(errors) <= 0.2


def test_a_model_with_guidance_as_an_input_takes_one_row_whatever_the_guidance() -> None:
    plain, guided = request(steps=7, guidance_scale=1.0), request(steps=7, guidance_scale=8.0)
    distilled = Estimates([ModelSpec(name=plain.model, source="lcm", guidance_embedded=True)])
    distilled.learn(plain, 10.0)
    assert distilled.seconds(guided) == pytest.approx(10.0)
    ordinary = Estimates()
    ordinary.learn(plain, 10.0)
    assert ordinary.seconds(guided) == pytest.approx(17.0)


def test_skipped_steps_cost_nothing_and_encoding_costs_something() -> None:
    estimates = Estimates()
    estimates.learn(request(steps=7), 10.0)  # ten rows, as above
    edit = {"source": "0" * 64, "strength": 0.5}
    assert estimates.seconds(request(steps=14, **edit)) == pytest.approx(11.4)
    assert estimates.seconds(request(steps=14, count=2, **edit)) == pytest.approx(21.4)
    assert estimates.seconds(request(steps=14, **edit, mask="1" * 64)) == pytest.approx(12.8)


def test_who_joins_the_end_of_a_long_line_is_promised_what_a_fresh_look_at_it_would_promise() -> None:
    estimates = Estimates()
    line = tuple(job() for _ in range(EXACT + 20))
    estimates.learn(line[0].request, 10.0)
    about = {"done": lambda _: 0.0, "places": 4, "workers": 1}
    growing, fresh = Forecast(estimates), Forecast(estimates)
    growing.seconds_left(line[0].id, line=line[: EXACT + 5], **about)
    told = [growing.seconds_left(one.id, line=line, **about) or 0.0 for one in line]
    assert told == pytest.approx([fresh.seconds_left(one.id, line=line, **about) for one in line])
    growing.advance(line[0], 0.5)
    assert growing.seconds_left(line[-1].id, line=line, **about) == pytest.approx(told[-1] - 5.0)


def test_a_second_pass_costs_its_own_steps_at_its_own_size() -> None:
    estimates = Estimates()
    estimates.learn(request(width=64, height=64, steps=7), 10.0)  # ten rows, as above
    larger = {"width": 64, "height": 64, "steps": 7, "hires": 2.0, "hires_strength": 0.5}
    rows = 3 + 3 + 1.4  # half of the steps, decoding and encoding, of four times the pixels
    assert estimates.seconds(request(**larger)) == pytest.approx(10.0 + 4 * rows)
    assert estimates.seconds(request(**larger, count=2)) == pytest.approx(20.0 + 8 * rows)
    for _ in range(REMEMBERED):
        estimates.learn(request(**larger), 10.0 + 8 * rows)
        estimates.learn(request(width=64, height=64, steps=7), 10.0)
    assert estimates.seconds(request(**larger)) == pytest.approx(10.0 + 8 * rows, rel=0.05), "both passes are learnt"
    assert estimates.seconds(request(width=64, height=64, steps=7)) == pytest.approx(10.0, rel=0.05)


def test_tiles_cost_each_what_a_picture_of_their_size_costs() -> None:
    estimates = Estimates()
    estimates.learn(request(width=64, height=64, steps=7), 10.0)
    tiled = request(width=256, height=256, tile=64, source="0" * 64, strength=0.5, steps=14)
    assert tiled.parts == 25
    assert estimates.seconds(tiled) == pytest.approx(25 * (7 + 3 + 1.4))
    estimates.learn(tiled, 500.0)
    assert estimates.seconds(request(width=64, height=64, steps=7)) == pytest.approx((10 + 10 * 500 / 285) / 2)


def test_where_devices_differ_a_job_costs_what_all_of_them_together_need_for_it() -> None:
    """A fast one draws three jobs while a slow one draws one: eight seconds for four jobs."""
    estimates = Estimates()
    for _ in range(4):
        for seconds, device in ((1.0, "fast"), (1.0, "fast"), (1.0, "fast"), (3.0, "slow"), (1.0, "fast")):
            estimates.learn(request(), seconds, device)
    assert estimates.seconds(request()) == pytest.approx((16 * 1.0 + 4 * 3.0) / 20)
    for _ in range(REMEMBERED):
        estimates.learn(request(), 3.0, "slow")
    assert estimates.seconds(request()) == pytest.approx(3.0), "the fast one is gone"


async def of_several(workers: int) -> tuple[Dispatcher, list[FakeWorker]]:
    estimates = Estimates()
    estimates.learn(request(), 10.0)
    dispatcher = Dispatcher([], MemoryJournal(), estimates=estimates)
    await dispatcher.start()
    made = [FakeWorker(1, hold=True) for _ in range(workers)]
    for worker in made:
        worker.in_this_process = False
        await dispatcher.add(worker)
    return dispatcher, made


async def test_more_devices_draw_a_line_sooner_and_one_job_alone_no_sooner() -> None:
    dispatcher, _ = await of_several(4)
    alone = dispatcher.submit(job("a"))
    assert alone.progress.seconds_left == pytest.approx(10.0)
    line = [dispatcher.submit(job(str(number))) for number in range(7)]
    assert line[-1].progress.seconds_left == pytest.approx((80.0 + 10.0 * MEANWHILE) / 4)
    await dispatcher.close()


async def test_what_is_lost_with_a_device_has_to_be_done_again_by_estimate_too() -> None:
    dispatcher, workers = await of_several(2)
    ticket = dispatcher.submit(job())
    await soon()
    (drawing,) = (worker for worker in workers if worker.drawn)
    drawing.steps(ticket.job.id, ticket.job.request.steps - 1)
    await soon()
    assert ticket.progress.seconds_left == pytest.approx(10.0 / ticket.job.request.steps)
    drawing.lose()
    await soon()
    assert ticket.progress.seconds_left == pytest.approx(10.0, rel=MEANWHILE)
    await dispatcher.close()
