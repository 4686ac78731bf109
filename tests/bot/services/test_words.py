"""A server's words: kept, judged wherever something is asked for, and in force after a restart too."""

import io
import logging
import time
from dataclasses import replace

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bot.errors import BadPattern, ListFull, NotAllowed, WordRefused
from bot.records import Place
from bot.services.remakes import Edit, Enlargement, Remakes, Variation
from bot.services.replays import Replays
from bot.services.words import MAX_NEGATIVE, MAX_WORD, MOST_PATTERNS, MOST_WORDS
from generation.alternatives import Wildcards
from generation.catalog import DrawingOptions
from generation.errors import InvalidRequest
from generation.inline_parameters import applied
from generation.job import JobStatus
from generation.loras import LoraUse

HERE = Place(channel="5000")


def png(parameters: str | None = None) -> bytes:
    out, said = io.BytesIO(), PngInfo()
    if parameters is not None:
        said.add_text("parameters", f"{parameters}\nSteps: 4, Sampler: Euler, CFG scale: 5, Seed: 1, Size: 64x64")
    Image.new("RGB", (64, 64), "red").save(out, "PNG", pnginfo=said)
    return out.getvalue()


async def asked(house, member, **changes):
    return await house.images.imagine(house.request(**changes), member, at=HERE)


async def test_a_listed_word_refuses_prompt_and_negative_prompt_and_leaves_nothing(house, ann, admin, stranger):
    await house.words.add(admin, ["heart, sword"], "dr[ae]gon")
    for changes, where in (
        ({"prompt": "a red h3art"}, "prompt"),
        ({"prompt": "dragons"}, "prompt"),
        ({"prompt": "a cat", "negative_prompt": "s w o r d"}, "negative_prompt"),
    ):
        with pytest.raises(WordRefused) as refused:
            await asked(house, ann, **changes)
        assert refused.value.where == where
    assert (await house.images.usage(ann)).jobs == 0
    assert (await asked(house, stranger, prompt="a red heart")).job, "another server's words are its own"


async def test_a_change_holds_at_once_and_is_written_down_with_who_made_it(house, ann, admin):
    await asked(house, ann, prompt="a red heart")
    assert await house.words.add(admin, ["Heart, heart, sword"]) == ("Heart", "sword")
    assert await house.words.add(admin, ["HEÁRT"]) == ()
    house.clock.pass_(seconds=1)
    with pytest.raises(WordRefused):
        await asked(house, ann, prompt="a red heart")
    assert await house.words.remove(admin, ["heart"]) == ("Heart",)
    await asked(house, ann, prompt="a red heart")
    notes = await house.admin.audit(admin)
    assert [(note.action, note.actor) for note in notes] == [("words.remove", admin.id), ("words.add", admin.id)]
    changes = {(note.action, one.field, one.before, one.after) for note in notes for one in note.changes}
    assert changes == {
        ("words.add", "words", None, "Heart"),
        ("words.add", "words", None, "sword"),
        ("words.remove", "words", "Heart", None),
    }


async def test_only_those_who_manage_the_server_see_and_change_its_words(house, ann, moderator):
    words = house.words
    for member in (ann, moderator):
        for refused in (
            words.shown(member),
            words.test(member, "x"),
            words.add(member, ["x"]),
            words.remove(member, ["x"]),
            words.set_negative(member, "x"),
        ):
            with pytest.raises(NotAllowed):
                await refused


async def test_a_list_is_bounded_and_takes_nothing_that_means_nothing(house, admin):
    await house.words.add(admin, [", ".join(f"word{number}x" for number in range(MOST_WORDS))])
    with pytest.raises(ListFull):
        await house.words.add(admin, ["onemore"])
    for number in range(MOST_PATTERNS):
        await house.words.add(admin, [], f"x{number}")
    with pytest.raises(ListFull):
        await house.words.add(admin, [], "onemore")
    for words, pattern, kind in (
        (["x" * (MAX_WORD + 1)], None, InvalidRequest),
        (["!?"], None, InvalidRequest),
        ([" , "], None, InvalidRequest),
        ([], None, InvalidRequest),
        ([], ".*", BadPattern),
    ):
        with pytest.raises(kind):
            await house.words.add(admin, words, pattern)
    shown = (await house.words.shown(admin)).settings
    assert (len(shown.words), len(shown.patterns)) == (MOST_WORDS, MOST_PATTERNS)


async def test_everything_that_draws_again_is_judged_again(house, ann, admin):
    first = await house.drawn(ann, prompt="a red heart")
    await house.words.add(admin, ["heart"])
    remakes = Remakes(house.images)

    async def ask(wish):
        return await house.images.imagine(
            wish.request, ann, at=HERE, parent=wish.parent, action=wish.action, pictures=wish.pictures
        )

    with pytest.raises(WordRefused):
        await house.images.rerun(first, ann, at=HERE)
    with pytest.raises(WordRefused):
        await Replays(house.images).draw(first, ann, at=HERE)
    for wish in (
        await remakes.vary(first, 0, Variation.SUBTLE, ann),
        await remakes.upscale(first, 0, Enlargement.TWICE, ann),
        await remakes.edit(first, 0, Edit(prompt="a blue heart"), None, ann),
    ):
        with pytest.raises(WordRefused):
            await ask(wish)
    other = await remakes.edit(first, 0, Edit(prompt="a blue cat"), None, ann)
    assert (await ask(other)).job.request.prompt == "a blue cat"


@pytest.mark.parametrize("said", ["a g0re scene", "a cat\nNegative prompt: gore", "a cat <lora:gore:1>"])
async def test_the_parameters_in_a_picture_are_judged(house, ann, admin, said):
    await house.words.add(admin, ["gore"])
    remakes = Remakes(house.images)
    wish = await remakes.begun_with(DrawingOptions(prompt="a cat"), png(said))
    with pytest.raises(WordRefused) as refused:
        await house.images.imagine(wish.request, ann, at=HERE, pictures=wish.pictures)
    assert refused.value.where == "image"
    plain = await remakes.begun_with(DrawingOptions(prompt="a cat"), png())
    assert (await house.images.imagine(plain.request, ann, at=HERE, pictures=plain.pictures)).job


@pytest.mark.parametrize("said", ["a g0re scene", "a cat\nNegative prompt: gore", "a cat <lora:gore:1>"])
@pytest.mark.parametrize("begins_as", ["source", "mask"])
async def test_what_a_file_said_is_judged_whenever_its_picture_is_drawn_from_again(
    house, open_house, ann, admin, said, begins_as
):
    """The picture that is kept has no text in it, and the file is gone."""
    remakes = Remakes(house.images)
    files = (png(said), None) if begins_as == "source" else (png(), png(said))
    wish = await remakes.begun_with(DrawingOptions(prompt="a cat"), *files)
    drawn = await house.images.imagine(wish.request, ann, at=HERE, pictures=wish.pictures)
    first = drawn.job.id
    house.worker.release(first)
    await drawn.result()
    await house.images.posted(first, message="6000")
    waits = await house.images.imagine(wish.request, ann, at=HERE, pictures=wish.pictures)
    await house.words.add(admin, ["gore"])
    with pytest.raises(WordRefused):
        await house.images.rerun(first, ann, at=HERE)
    with pytest.raises(WordRefused):
        await Replays(house.images).draw(first, ann, at=HERE)
    edited = await remakes.edit(first, 0, Edit(prompt="a dog"), None, ann)
    with pytest.raises(WordRefused):
        await house.images.imagine(edited.request, ann, at=HERE)
    (ended,) = (await (await open_house()).restart.recover()).ended
    assert (ended.id, ended.error_code) == (waits.job.id, "words")


async def test_a_variation_of_a_picture_whose_words_were_edited_is_judged_by_what_it_was(house, ann, admin):
    first = await house.drawn(ann, prompt="a red heart")
    remakes = Remakes(house.images)
    wish = await remakes.edit(first, 0, Edit(prompt="a cat", strength=0.5), None, ann)
    edited = await house.images.imagine(wish.request, ann, at=HERE, parent=first, pictures=wish.pictures)
    assert edited.job.request.said == ("a red heart",)
    await house.words.add(admin, ["heart"])
    with pytest.raises(WordRefused) as refused:
        await house.images.rerun(edited.job.id, ann, at=HERE)
    assert refused.value.where == "image"


@pytest.mark.parametrize(
    "prompt",
    [
        "se(cr)et",
        "s[ec]ret",
        "se(cret:1.1)",
        "(((s)e)c)ret",
        r"se\(cr\)et",
        "x(secret)x",
        "a sec BREAK ret",
        "s BREAK e BREAK c BREAK r BREAK e BREAK t",
        "{se|se}cret",
        "se{cr|cr}et",
        "se(c{r|r}:1.3)et",
        "a cat --no secret",
        "a cat --no se(cr)et",
        "a cat --lora secret:0.8",
        "a cat <lora:s3cret:0.8>",
        "a cat --stepps secret9",
        "a cat <lyco:secret:1>",
    ],
)
async def test_no_grammar_hides_a_word(house, ann, admin, prompt):
    await house.words.add(admin, ["secret", "secret9"])
    with pytest.raises(WordRefused):
        await house.images.imagine(written(house, prompt), ann, at=HERE)
    assert (await house.images.imagine(written(house, prompt.replace("t", "d")), ann, at=HERE)).job


def written(house, prompt: str):
    return house.catalog.request(applied(DrawingOptions(prompt=prompt), house.catalog))


async def test_the_name_of_a_chosen_lora_is_judged(house, ann, admin):
    request = replace(house.request(prompt="a cat"), loras=(LoraUse(name="g0re-style", sha256="0" * 64),))
    await house.words.add(admin, ["gore"])
    with pytest.raises(WordRefused):
        await house.words.accepted(request, ann.server)


async def test_what_is_forced_may_be_asked_for_behind_the_prompt(house, ann, admin):
    await house.words.set_negative(admin, "gore")
    await house.words.add(admin, ["gore"])
    request = (await house.images.imagine(written(house, "a cat --no gore"), ann, at=HERE)).job.request
    assert request.negative_prompt == "gore"


async def test_forced_words_are_in_every_negative_prompt_once_also_where_they_are_listed(house, ann, admin):
    await house.words.set_negative(admin, "Gore,  nsfw, gore")
    await house.words.add(admin, ["gore", "nsfw", "blood"])
    assert (await house.words.shown(admin)).settings.negative == ("Gore", "nsfw")
    first = await house.drawn(ann, negative_prompt="dogs, NSFW")
    record = await house.images.job(first)
    assert record.request.negative_prompt.casefold() == "dogs, nsfw, gore"
    again = await house.images.rerun(first, ann, at=HERE)
    assert again.job.request.negative_prompt == record.request.negative_prompt

    await house.words.set_negative(admin, "blood")
    later = await house.images.rerun(first, ann, at=HERE)
    assert later.job.request.negative_prompt == f"{record.request.negative_prompt}, blood"
    await house.words.set_negative(admin, None)
    last = await asked(house, ann, prompt="a cat")
    assert last.job.request.negative_prompt == ""


async def test_forced_words_are_bounded(house, admin):
    with pytest.raises(InvalidRequest):
        await house.words.set_negative(admin, "x" * (MAX_NEGATIVE + 1))


async def test_a_pattern_that_is_too_slow_is_logged_once_and_shown_as_that(house, ann, admin, caplog):
    await house.words.add(admin, ["gore"], "(a|aa)+$")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            await asked(house, ann, prompt="a" * 5000 + "!")
    assert [record.getMessage() for record in caplog.records if "too slow" in record.getMessage()] == [
        "a pattern of server 9000 is too slow and counts as not found: '(a|aa)+$'"
    ]
    assert (await house.words.shown(admin)).slow == {"(a|aa)+$"}
    await house.words.remove(admin, [], "(a|aa)+$")
    assert not (await house.words.shown(admin)).slow


async def test_after_a_restart_a_waiting_job_that_is_now_refused_has_failed_and_is_not_counted(
    house, open_house, ann, admin, stranger
):
    await asked(house, ann, prompt="a red heart")
    ours = await asked(house, ann, prompt="a red cat")
    theirs = await asked(house, stranger, prompt="a red heart")
    await house.words.add(admin, ["heart"])
    again = await open_house()
    recovery = await again.restart.recover()
    assert {resumed.job.id for resumed in recovery.resumed} == {ours.job.id, theirs.job.id}
    (ended,) = recovery.ended
    assert (ended.status, ended.error_code, ended.request.prompt) == (JobStatus.FAILED, "words", "a red heart")
    assert (await again.images.usage(ann)).images == 1


async def test_accepting_a_job_with_500_words_and_50_patterns_takes_at_most_5_ms_more(house, ann, admin):
    """The best of many rounds: whatever else the machine does is in the others."""
    prompt = "masterpiece, best quality, a portrait of an old fisherman in the rain, 35mm, f/2.8, (film grain:1.2), "
    prompt += "soft light, detailed eyes, by the sea at dawn, a wooden boat with a red sail behind him, muted colours"
    request = house.request(prompt=prompt, negative_prompt="blurry, low quality, watermark, text")

    async def milliseconds() -> float:
        took: list[float] = []
        for _ in range(50):
            begun = time.perf_counter()
            await house.words.accepted(request, ann.server)
            took.append(1000 * (time.perf_counter() - begun))
        return min(took)

    without = await milliseconds()
    await house.words.add(admin, [", ".join(f"word{number} thing" for number in range(MOST_WORDS))])
    for number in range(MOST_PATTERNS):
        await house.words.add(admin, [], rf"\b(nude|naked)\W+(girl|boy)s?{number}\b")
    with_all = await milliseconds()
    assert with_all - without <= 5, f"{without:.3f} ms without, {with_all:.3f} ms with"


@pytest.mark.parametrize("prompt", ["a k(it)ten", "{a|b} {kitten|kitten} x", "(ki:1.2)tten", "__pet__"])
async def test_words_are_found_in_what_is_drawn_of_a_prompt(house, ann, admin, prompt):
    house.catalog.wildcards = Wildcards({"pet": ["a kitten"]})
    await house.words.add(admin, ["kitten"])
    with pytest.raises(WordRefused):
        await asked(house, ann, prompt=prompt)
    assert (await asked(house, ann, prompt="a {cat|dog}")).job


async def test_each_picture_of_a_job_is_judged_and_has_the_terms_of_the_server(house, ann, admin):
    await house.words.add(admin, ["dog"])
    with pytest.raises(WordRefused):
        await asked(house, ann, prompt="a {cat|dog|fox}", seed=7, count=4)
    await house.words.set_negative(admin, "blurry")
    request = (await asked(house, ann, prompt="a {cat|fox}", negative_prompt="{x|y}", count=4)).job.request
    assert {negative for _, negative in request.texts} == {"x, blurry", "y, blurry"}
    assert [one.negative_prompt for one in request.alone] == [negative for _, negative in request.texts]
