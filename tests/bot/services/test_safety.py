"""What may be shown where: scores, policies, exemptions, what is held, and a check that does what it should not."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.errors import CheckFault, Held, UnsafeInput
from bot.picture_checks.looks import look_of
from bot.records import Decision, Unwanted
from bot.services.policies import Policy, SafetySettings, Where
from bot.services.remakes import Remakes
from bot.services.safety import TOPIC
from bot.storage import holds, requests, servers
from generation.catalog import DrawingOptions
from generation.inputs import InputPicture
from generation.job import JobStatus
from generation.loras import LoraUse
from generation.request import GenerationRequest
from generation.workers.fake import FakeWorker
from tests.bot.fake_check import FakeCheck
from tests.pictures import png_of

HERE = Where(server="9000", channel="5000")
RESTRICTED = replace(HERE, channel="5001", is_restricted=True)
ALONE = Where(server=None, channel="5002")


@pytest.fixture
async def house(open_house):
    """Draws at once, with a model that is no exception."""
    return await open_house(worker=FakeWorker(room=64), exempts_builtin=False, check=FakeCheck())


async def drawn(house, member, here, **changes):
    """A job that is drawn and that nobody has looked at yet."""
    ticket = await house.images.imagine(house.request(**changes), member, at=here)
    return await ticket.result()


async def row(house, job):
    return await house.images.job(job.id)


def setting(house, settings):
    def put(transaction):
        servers.ensure(transaction, "9000")
        servers.put_settings(transaction, "9000", TOPIC, settings.to_data())

    return house.database.write(put)


@pytest.mark.parametrize(
    ("policy", "score", "seen"),
    [
        (Policy.OFF, 1.0, "shown"),
        (Policy.SPOILER, 0.49, "shown"),
        (Policy.SPOILER, 0.5, "spoiler"),
        (Policy.SPOILER, 0.79, "spoiler"),
        (Policy.SPOILER, 0.8, "held"),
        (Policy.WITHHOLD, 0.49, "shown"),
        (Policy.WITHHOLD, 0.5, "held"),
        (Policy.REVIEW, 0.5, "held"),
    ],
)
async def test_a_policy_says_what_is_done_with_a_score(house, ann, here, policy, score, seen):
    await setting(house, SafetySettings(policy=policy))
    house.check.score_of_all = score
    shown = await house.images.pictures.shown(await drawn(house, ann, here), HERE)

    assert ("held" if shown.held else "spoiler" if shown.pictures[0].is_spoiler else "shown") == seen
    (image,) = (await row(house, shown.job)).images
    assert (image.score, image.is_held, len(image.look)) == (score, seen == "held", 64)


async def test_without_settings_unsafe_pictures_are_held_and_spoilers_where_only_adults_are(house, ann, here):
    house.check.score_of_all = 0.6
    assert (await house.images.pictures.shown(await drawn(house, ann, here), HERE)).held == 1
    (picture,) = (await house.images.pictures.shown(await drawn(house, ann, here), RESTRICTED)).pictures
    assert picture.is_spoiler


async def test_a_thread_follows_its_parent_and_what_is_not_known_the_strictest_of_its_server(house, ann, here):
    await setting(house, SafetySettings(policy=Policy.OFF, channels={"5001": Policy.REVIEW}))
    house.check.score_of_all = 0.6
    job = await drawn(house, ann, here)
    assert (await house.images.pictures.shown(job, HERE)).pictures
    for where in (replace(HERE, parent="5001"), replace(HERE, is_known=False)):
        assert not (await house.images.pictures.shown(await drawn(house, ann, here), where)).pictures


async def test_direct_messages_have_the_operators_policy(open_house, ann, here):
    for policy, count in ((Policy.WITHHOLD, 0), (Policy.OFF, 1)):
        check = FakeCheck(score_of_all=0.6)
        house = await open_house(
            worker=FakeWorker(room=64), exempts_builtin=False, check=check, direct_policy=policy
        )  # fmt: skip
        member = replace(ann, server=None, channel="5002")
        shown = await house.images.pictures.shown(await drawn(house, member, here), ALONE)
        assert len(shown.pictures) == count


async def test_a_picture_is_looked_at_once_and_one_from_before_when_it_is_next_shown(house, ann):
    job = await row(house, await house.images.job(await house.drawn(ann)))
    assert (job.status, job.images[0].score) == (JobStatus.POSTED, None)
    house.check.score_of_all = 0.9
    for _ in range(2):
        shown = await house.images.pictures.shown(await row(house, job), HERE)
        assert (shown.pictures, shown.held) == ((), 1)
    assert len(house.check.asked) == 1
    assert [one.id for one, _ in await house.database.read(lambda tx: holds.waiting(tx, "9000", 10))] == [job.id]


async def test_what_was_shown_before_is_left_out_elsewhere_and_not_held(house, ann, here):
    """A look through the history in another channel fills no queue."""
    house.check.score_of_all = 0.6
    shown = await house.images.pictures.shown(await drawn(house, ann, here), RESTRICTED)
    await house.images.posted(shown.job.id, "6001")
    elsewhere = await house.images.pictures.shown(await row(house, shown.job), HERE)
    assert (elsewhere.pictures, elsewhere.held, elsewhere.left_out) == ((), 0, 1)
    assert len((await house.images.pictures.shown(await row(house, shown.job), RESTRICTED)).pictures) == 1


async def test_one_of_four_is_held_and_the_others_are_shown(house, ann, here):
    scores = iter((0.0, 0.9, 0.0, 0.0))

    async def score(png, *, asked):
        return next(scores)

    house.check.score = score
    shown = await house.images.pictures.shown(await drawn(house, ann, here, count=4), HERE)
    assert ([picture.seed for picture in shown.pictures], shown.held) == ([7, 9, 10], 1)


@pytest.mark.parametrize("decision", Decision)
async def test_what_a_person_lets_through_is_seen_whatever_its_score_and_nothing_else_is(house, ann, here, decision):
    house.check.score_of_all = 0.9
    shown = await house.images.pictures.shown(await drawn(house, ann, here), HERE)
    await house.images.withheld(shown.job.id)
    image = shown.job.images[0]
    await house.database.write(lambda tx: holds.decide(tx, image.id, decision, "7", house.clock()))

    job = await row(house, shown.job)
    assert len((await house.images.pictures.shown(job, HERE)).pictures) == decision.is_let_through
    restricted = (await house.images.pictures.shown(job, RESTRICTED)).pictures
    assert [picture.is_spoiler for picture in restricted] == [decision is Decision.APPROVED] * decision.is_let_through
    if decision.is_let_through:
        picture = await house.images.pictures.one(job, 0, HERE)
        begun = await house.images.inputs.decode(picture.png)
        request = house.request(source=begun.sha256)
        assert await house.images.imagine(request, ann, at=here, pictures=[begun])
    else:
        with pytest.raises(Held):
            await house.images.pictures.one(job, 0, HERE)


async def test_moderators_alone_see_what_is_held(house, ann, here):
    house.check.score_of_all = 0.9
    job = (await house.images.pictures.shown(await drawn(house, ann, here), HERE)).job
    picture = await house.images.pictures.to_review(job, job.images[0].id)
    assert picture.is_spoiler
    assert picture.png.startswith(b"\x89PNG")
    assert await house.images.pictures.first(job, HERE) is None


async def test_the_built_in_model_is_exempt_for_words_alone(open_house, ann, here):
    house = await open_house(worker=FakeWorker(room=64), check=FakeCheck(score_of_all=0.9))
    shown = await house.images.pictures.shown(await drawn(house, ann, here), HERE)
    assert (len(shown.pictures), house.check.asked, shown.job.images[0].score) == (1, [], None)


@pytest.mark.parametrize("more", [{"source": "0" * 64, "strength": 0.5}, {"loras": (LoraUse(name="chalk"),)}])
async def test_an_input_picture_or_a_lora_ends_the_exemption(open_house, ann, here, more):
    house = await open_house(worker=FakeWorker(room=64), check=FakeCheck(score_of_all=0.9))
    job = await drawn(house, ann, here)
    with_more = replace(job, request=replace(job.request, **more))
    assert (await house.images.pictures.shown(with_more, HERE)).held == 1


async def test_a_mask_alone_ends_the_exemption(open_house, ann, here):
    """No request has one without an input picture, which ends it too; a stored one is checked by nobody."""
    house = await open_house(worker=FakeWorker(room=64), check=FakeCheck(score_of_all=0.9))
    job = await drawn(house, ann, here)
    values = {**requests.to_data(job.request), "mask": "0" * 64}
    shown = await house.images.pictures.shown(replace(job, request=GenerationRequest.stored(values)), HERE)
    assert (shown.held, house.check.asked) == (1, ["a red heart"])


async def test_a_mask_is_shown_to_nobody_and_not_looked_at(house, ann, here):
    await drawn(house, ann, here)
    wish = await Remakes(house.images).begun_with(
        DrawingOptions(prompt="a cat"),
        house.pictures_on_disk()[0].read_bytes(),
        png_of(Image.new("RGB", (64, 64), "red")),
    )
    source, mask = wish.pictures
    house.check.asked.clear()
    job = await (await house.images.imagine(wish.request, ann, at=here, pictures=wish.pictures)).result()
    shown = await house.images.pictures.shown(job, HERE)
    assert house.check.asked == ["", "a cat"], "the source, and what was drawn"
    assert mask.png not in [picture.png for picture in shown.pictures]
    assert source.sha256 != mask.sha256


async def test_what_was_removed_for_its_content_is_recognised_when_it_comes_again(open_house, ann, here):
    house = await open_house(worker=FakeWorker(room=64))
    job = await house.images.pictures.with_looks(await drawn(house, ann, here))
    look = job.images[0].look
    alike = f"{int(look, 16) ^ 0b111111111111:064x}"
    unwanted = Unwanted(look=alike, job=job.id, by="7", at=house.clock())

    def put(transaction):
        servers.ensure(transaction, "9000")
        holds.add_unwanted(transaction, "9000", unwanted)

    await house.database.write(put)
    again, other = await drawn(house, ann, here), await drawn(house, ann, here, seed=99)
    assert (await house.images.pictures.shown(again, HERE)).held == 1
    if look_of(house.pictures_on_disk()[0].read_bytes()) == look:  # the fake's pictures differ enough
        assert (await row(house, again)).images[0].look == look
    await house.database.write(lambda tx: holds.remove_unwanted(tx, "9000", alike))
    assert len((await house.images.pictures.shown(other, HERE)).pictures) == 1


@pytest.mark.parametrize("fault", [CheckFault(detail="away"), RuntimeError("bug"), TimeoutError()], ids=repr)
async def test_a_picture_that_cannot_be_checked_is_not_shown_and_is_when_it_can(house, ann, here, caplog, fault):
    job = await drawn(house, ann, here)
    house.check.fault = fault
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            with pytest.raises(CheckFault):
                await house.images.pictures.shown(job, HERE)
        house.check.fault = None
        assert (await house.images.pictures.shown(await row(house, job), HERE)).pictures
        assert await house.images.pictures.first(job, HERE) is not None
    said = [record.levelname for record in caplog.records if record.name == "bot.services.safety"]
    assert said == ["ERROR", "INFO"], "the operator is told once, and once that it is over"


@pytest.mark.parametrize("answer", [float("nan"), -0.1, 1.1])
async def test_a_score_that_is_none_counts_as_none(house, ann, here, answer):
    house.check.score_of_all = answer
    with pytest.raises(CheckFault):
        await house.images.pictures.shown(await drawn(house, ann, here), HERE)


async def test_a_check_that_hangs_is_given_up(house, ann, here):
    async def hang(png, *, asked):
        await asyncio.Event().wait()

    house.check.score = hang
    with pytest.raises(CheckFault):
        await house.images.pictures.shown(await drawn(house, ann, here), HERE)


async def test_without_a_check_everything_is_shown_but_what_was_held_before(open_house, ann, here):
    strict = await open_house(worker=FakeWorker(room=64), exempts_builtin=False, check=FakeCheck(score_of_all=0.9))
    held = (await strict.images.pictures.shown(await drawn(strict, ann, here), HERE)).job
    house = await open_house(worker=FakeWorker(room=64), exempts_builtin=False, check=None)
    assert (await house.images.pictures.shown(await drawn(house, ann, here), HERE)).pictures
    assert not (await house.images.pictures.shown(await row(house, held), HERE)).pictures
    assert not await house.safety.hides_previews(held.request, HERE)


def picture(house):
    return InputPicture.decode(house.pictures_on_disk()[0].read_bytes())


async def test_a_picture_to_begin_with_is_looked_at_before_it_is_drawn_from(house, ann, here):
    await drawn(house, ann, here)
    begun, count = picture(house), len(house.worker.drawn)
    house.check.score_of_all = 0.9
    request = house.request(source=begun.sha256)
    with pytest.raises(UnsafeInput):
        await house.images.imagine(request, ann, at=here, pictures=[begun])
    assert len(house.worker.drawn) == count
    assert (await house.images.usage(ann)).jobs == 1
    with pytest.raises(UnsafeInput):
        await house.images.imagine(request, ann, at=here, pictures=[begun])
    assert house.check.asked == [""], "the second time its score is known"

    adults = replace(ann, channel="5001", is_restricted=True)
    with pytest.raises(UnsafeInput):
        await house.images.imagine(request, adults, at=here, pictures=[begun])
    await setting(house, SafetySettings(policy=Policy.OFF))
    assert await house.images.imagine(request, ann, at=here, pictures=[begun])


async def test_what_one_server_lets_through_is_not_drawn_from_on_another(house, ann, stranger, here):
    house.check.score_of_all = 0.9
    job = (await house.images.pictures.shown(await drawn(house, ann, here), HERE)).job
    await house.images.withheld(job.id)
    await house.database.write(lambda tx: holds.decide(tx, job.images[0].id, Decision.APPROVED, "7", house.clock()))
    await house.images.pictures.one(await row(house, job), 0, HERE)

    begun = picture(house)
    request = house.request(source=begun.sha256)
    with pytest.raises(UnsafeInput):
        await house.images.imagine(request, stranger, at=here, pictures=[begun])
    assert await house.images.imagine(request, ann, at=here, pictures=[begun])


async def test_a_rerun_looks_again_at_what_a_job_begins_with(house, ann, here, open_house):
    await drawn(house, ann, here)
    begun = picture(house)
    ticket = await house.images.imagine(house.request(source=begun.sha256), ann, at=here, pictures=[begun])
    job = await ticket.result()
    after = await open_house(worker=FakeWorker(room=64), exempts_builtin=False, check=FakeCheck(score_of_all=0.9))
    with pytest.raises(UnsafeInput):
        await after.images.rerun(job.id, ann, at=here)


async def test_a_picture_to_begin_with_that_cannot_be_checked_is_not_drawn_from(house, ann, here):
    await drawn(house, ann, here)
    begun, house.check.fault = picture(house), CheckFault()
    with pytest.raises(CheckFault):
        await house.images.imagine(house.request(source=begun.sha256), ann, at=here, pictures=[begun])
    assert (await house.images.usage(ann)).jobs == 1


async def test_previews_are_hidden_under_every_policy_but_off(house, ann, here):
    request = house.request()
    for policy in Policy:
        await setting(house, SafetySettings(policy=policy))
        assert await house.safety.hides_previews(request, HERE) == (policy is not Policy.OFF)


async def test_retention_passes_over_what_waits_and_what_is_still_to_be_given(house, ann, here):
    house.check.score_of_all = 0.9
    job = (await house.images.pictures.shown(await drawn(house, ann, here, count=2), HERE)).job
    await house.images.posted(job.id, "6001")
    waits, approved = job.images
    await house.database.write(lambda tx: holds.decide(tx, approved.id, Decision.APPROVED, "7", house.clock()))
    retention = house.retention(gigabytes=1e-9)
    assert await retention.sweep() == 0
    await house.database.write(lambda tx: holds.decide(tx, waits.id, Decision.EXPIRED, None, house.clock()))
    await house.database.write(lambda tx: holds.given(tx, [approved.id], house.clock()))
    assert await retention.sweep() == 2


async def test_a_job_of_which_nothing_is_shown_is_owed_to_nobody_and_counted(house, ann, here, open_house):
    house.check.score_of_all = 0.9
    job = (await house.images.pictures.shown(await drawn(house, ann, here), HERE)).job
    assert [one.id for one in await house.images.unposted()] == [job.id], "its requester does not know yet"
    await house.images.withheld(job.id)

    assert await house.images.unposted() == ()
    assert (await row(house, job)).is_held
    assert (await house.images.usage(ann)).images == 1
    assert (await (await open_house(check=FakeCheck())).restart.recover()).rendered == ()
    await house.database.write(lambda tx: holds.decide(tx, job.images[0].id, Decision.KEPT_BACK, "7", house.clock()))
    assert (await house.images.usage(ann)).images == 0
    assert (await row(house, job)).status is JobStatus.FAILED


@pytest.mark.parametrize("decision", Decision)
async def test_a_decision_between_holding_and_telling_is_not_lost(house, ann, here, decision):
    house.check.score_of_all = 0.9
    job = (await house.images.pictures.shown(await drawn(house, ann, here), HERE)).job
    await house.database.write(lambda tx: holds.decide(tx, job.images[0].id, decision, "7", house.clock()))
    await house.images.withheld(job.id)
    owed = [one.id for one in await house.images.unposted()]
    assert owed == ([job.id] if decision.is_let_through else [])


def test_the_bytes_of_results_are_read_in_one_module_only():
    """Whatever else wants to show a picture has to say where."""
    readers = [file.name for file in Path("bot").rglob("*.py") if "files.read(" in file.read_text("utf-8")]
    assert readers == ["pictures.py"]


async def test_each_picture_is_named_and_checked_by_what_it_was_drawn_from(house, ann, here):
    """Where alternatives are drawn, each picture of a job has a prompt of its own."""
    house.check.by_words = {"secret": 0.9}
    job = await drawn(house, ann, here, prompt="a {secret|red|blue} heart", seed=1, count=4)
    prompts = [prompt for prompt, _ in job.request.texts]
    assert {"secret" in prompt for prompt in prompts} == {True, False}
    shown = await house.images.pictures.shown(job, HERE)
    assert [image.is_held for image in shown.job.images] == ["secret" in prompt for prompt in prompts]
    expected = [
        f"{prompt.replace(' ', '-')}-{seed}.png"
        for prompt, seed in zip(prompts, job.request.seeds, strict=True)
        if "secret" not in prompt
    ]
    assert [picture.filename for picture in shown.pictures] == expected
