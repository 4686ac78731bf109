"""A picture as input: /imagine with one, and Edit, Vary and Upscale below a result."""

import io
from contextlib import ExitStack
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bot.services.inputs import MOST_COMING
from generation.inputs import InputPicture
from generation.job import JobStatus
from tests.bot.discord_ui.hostile_files import BAD, GOOD
from tests.bot.discord_ui.world import RESULT, World, labels, words


def png(size: tuple[int, int] = (64, 64), colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


async def newest(world: World) -> Any:
    return (await world.jobs())[-1]


def refusal(answer: Any) -> str:
    """What only the member was told in the end."""
    said = [message for message in (answer.response, *answer.followups) if message is not None]
    assert said[-1].ephemeral
    return words(said[-1])


async def choose(world: World, message: Any, value: str, who: Any = None) -> Any:
    (row,) = message.components
    (select,) = row["components"]
    assert value in [option["value"] for option in select["options"]]
    return await (who or world.alice).select(message, [value], custom_id=select["custom_id"])


async def test_imagine_begins_with_a_picture(world: World) -> None:
    answer = await world.alice.slash(
        world.channel, "imagine", prompt="a blue heart", image=("in.png", png((90, 60))), strength=0.5
    )
    assert labels(answer.response) == RESULT
    job = await newest(world)
    assert (job.status, job.request.strength) == (JobStatus.POSTED, 0.5)
    assert job.request.source == InputPicture.decode(png((90, 60))).sha256
    assert job.request.width > job.request.height, "the picture's own shape"
    assert job.place.message == str(answer.response.id)


async def test_imagine_draws_anew_what_the_mask_covers(world: World) -> None:
    await world.alice.slash(
        world.channel, "imagine", prompt="a cat", image=("in.png", png()), mask=("mask.png", png(colour="white"))
    )
    job = await newest(world)
    assert job.request.mask == InputPicture.decode(png(colour="white")).sha256
    assert job.request.strength == 1.0


@pytest.mark.parametrize("number", sorted(GOOD))
async def test_imagine_takes_pictures_of_all_kinds(world: World, number: str) -> None:
    await world.alice.slash(world.channel, "imagine", prompt="a cat", image=GOOD[number])
    assert (await newest(world)).status is JobStatus.POSTED


@pytest.mark.parametrize("number", sorted(BAD))
async def test_what_is_no_picture_is_refused_privately_and_leaves_nothing(world: World, number: str) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat", image=BAD[number])
    assert "The image" in refusal(answer)
    assert not await world.jobs()
    assert world.channel.last_message is None, "nobody else sees that something was tried"


@pytest.mark.parametrize("options", [{"mask": ("m.png", png())}, {"strength": 0.5}])
async def test_a_mask_or_a_strength_without_a_picture_is_refused_at_once(world: World, options: dict[str, Any]) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat", **options)
    assert answer.ephemeral
    assert "image" in answer.response.content
    assert not await world.jobs()


async def test_a_mask_of_another_shape_is_refused_privately(world: World) -> None:
    answer = await world.alice.slash(
        world.channel, "imagine", prompt="a cat", image=("in.png", png()), mask=("m.png", png((64, 32)))
    )
    assert "same shape" in refusal(answer)
    assert not await world.jobs()


async def test_vary_makes_as_many_new_pictures_from_the_chosen_one(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat", count=3, seed=5)
    parent = await newest(world)
    asked = await world.bob.click(first.response, label="Vary")
    assert asked.ephemeral
    answer = await choose(world, asked.response, "2:strong", world.bob)
    assert not answer.ephemeral
    job = await newest(world)
    assert (job.parent, job.action, job.requester_name) == (parent.id, "vary_strong", "bob")
    assert (job.request.count, job.request.strength, job.request.prompt) == (3, 0.7, "a cat")
    assert job.request.seed != 5
    (picture,) = [image for image in parent.images if image.index == 2]
    stored = (world.folder / "images" / picture.file).read_bytes()
    assert job.request.source == InputPicture.decode(stored).sha256


async def test_vary_works_after_a_restart(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.restart()
    asked = await world.alice.click(first.response, label="Vary")
    await choose(world, asked.response, "0:subtle")
    assert (await newest(world)).action == "vary_subtle"


async def test_upscale_draws_one_picture_twice_as_large(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat", count=2)
    asked = await world.alice.click(first.response, label="Upscale")
    await choose(world, asked.response, "1:2x")
    job = await newest(world)
    assert (job.request.width, job.request.height, job.request.count) == (128, 128, 1)
    assert job.action == "upscale_2x"


async def test_edit_with_other_words_keeps_the_seed_of_the_chosen_picture(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat", count=2, seed=5)
    asked = await world.alice.click(first.response, label="Edit")
    form = await choose(world, asked.response, "1:")
    await world.alice.submit_modal(form, {"prompt": "a dog", "negative_prompt": "", "strength": "", "mask": []})
    job = await newest(world)
    assert (job.request.prompt, job.request.seed, job.request.count, job.request.source) == ("a dog", 6, 1, None)
    assert job.action == "edit"


async def test_edit_with_a_strength_goes_on_from_the_picture(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat", seed=5)
    form = await world.alice.click(first.response, label="Edit")
    await world.alice.submit_modal(form, {"prompt": "a dog", "strength": "0,4"})
    job = await newest(world)
    assert (job.request.prompt, job.request.strength, job.request.mask) == ("a dog", 0.4, None)
    assert job.request.source is not None


async def test_edit_with_a_mask_draws_that_part_anew(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    form = await world.alice.click(first.response, label="Edit")
    await world.alice.submit_modal(form, {"prompt": "a cat", "mask": [("m.png", png(colour="white"))]})
    job = await newest(world)
    assert (job.request.strength, job.request.mask) == (1.0, InputPicture.decode(png(colour="white")).sha256)


@pytest.mark.parametrize("typed", ["much", "7", "-1", "nan", "0"])
async def test_a_strength_that_is_none_is_refused_privately(world: World, typed: str) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    form = await world.alice.click(first.response, label="Edit")
    answer = await world.alice.submit_modal(form, {"prompt": "a cat", "strength": typed})
    assert "**strength**" in refusal(answer)
    assert len(await world.jobs()) == 1


async def test_a_form_from_before_a_restart_is_not_known_any_more(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    form = await world.alice.click(first.response, label="Edit")
    await world.restart()
    answer = await world.alice.submit_modal(form, {"prompt": "a dog"})
    assert answer.ephemeral
    assert len(await world.jobs()) == 1


async def test_a_form_that_was_left_open_for_over_an_hour_is_not_known_any_more(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    form = await world.alice.click(first.response, label="Edit")
    await world.env.advance_time(3601)
    answer = await world.alice.submit_modal(form, {"prompt": "a dog"})
    assert answer.ephemeral
    assert len(await world.jobs()) == 1


async def test_a_picture_that_is_no_longer_kept_cannot_be_varied(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.remove_pictures()
    asked = await world.alice.click(first.response, label="Vary")
    answer = await choose(world, asked.response, "0:subtle")
    assert "no longer kept" in refusal(answer)


async def test_a_limit_holds_for_variations_too(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat", count=2)
    await world.admin.slash(world.channel, "admin limits set", images_a_day=3)
    asked = await world.alice.click(first.response, label="Vary")
    answer = await choose(world, asked.response, "0:subtle")
    assert "pictures a day" in refusal(answer)
    assert len(await world.jobs()) == 1
    assert [file.name for file in (world.folder / "inputs").iterdir()] == [], "nothing is kept for it"


async def test_use_as_image_asks_for_words_and_begins_with_anybodys_picture(world: World) -> None:
    message = await world.bob.send(world.channel, "look", attachments=[("in.png", png((90, 60)))])
    form = await world.alice.context_menu(world.channel, "Use as image", message)
    await world.alice.submit_modal(form, {"prompt": "a blue heart"})
    job = await newest(world)
    assert (job.request.prompt, job.request.strength, job.action) == ("a blue heart", 0.6, "use_as_image")
    assert job.request.source == InputPicture.decode(png((90, 60))).sha256
    assert job.parent is None


async def test_use_as_image_takes_the_chosen_one_of_a_result(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat", count=2)
    parent = await newest(world)
    form = await world.bob.context_menu(world.channel, "Use as image", first.response)
    await world.bob.submit_modal(form, {"prompt": "a dog", "picture": ["1"], "strength": "0.3"})
    job = await newest(world)
    assert (job.parent, job.action, job.request.strength) == (parent.id, "use_as_image", 0.3)
    stored = (world.folder / "images" / parent.images[1].file).read_bytes()
    assert job.request.source == InputPicture.decode(stored).sha256


async def test_vary_and_upscale_in_the_menu_of_a_result_do_what_the_buttons_do(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    for menu, value, action in (("Vary", "0:subtle", "vary_subtle"), ("Upscale", "0:2x", "upscale_2x")):
        asked = await world.alice.context_menu(world.channel, menu, first.response)
        await choose(world, asked.response, value)
        assert (await newest(world)).action == action


async def test_upscale_in_the_menu_of_anybodys_picture(world: World) -> None:
    message = await world.bob.send(world.channel, "", attachments=[("in.png", png((64, 64)))])
    form = await world.alice.context_menu(world.channel, "Upscale", message)
    await world.alice.submit_modal(form, {"prompt": "a heart"})
    job = await newest(world)
    assert (job.request.width, job.request.height, job.request.strength) == (128, 128, 0.35)


@pytest.mark.parametrize("menu", ["Use as image", "Vary", "Upscale"])
async def test_a_message_without_a_picture_is_refused_privately(world: World, menu: str) -> None:
    message = await world.bob.send(world.channel, "hello", attachments=[("notes.txt", b"hello")])
    answer = await world.alice.context_menu(world.channel, menu, message)
    assert "no picture" in refusal(answer)


@pytest.mark.parametrize("number", sorted(BAD))
async def test_a_picture_in_a_message_that_is_none_is_refused_privately(world: World, number: str) -> None:
    name, data = BAD[number]
    message = await world.bob.send(world.channel, "", attachments=[(name, data)])
    form = await world.alice.context_menu(world.channel, "Use as image", message)
    answer = await world.alice.submit_modal(form, {"prompt": "a heart"})
    assert "The image" in refusal(answer)
    assert not await world.jobs()


async def test_more_zooms_out_of_the_only_picture(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    asked = await world.alice.click(first.response, label="More")
    await choose(world, asked.response, "0:zoom_out_2")
    job = await newest(world)
    assert (job.action, job.request.reframing, job.request.count) == ("zoom_out_2", "zoom_out_2", 1)
    assert job.request.mask is not None
    assert len(list((world.folder / "inputs").iterdir())) == 2


async def test_more_of_four_pictures_asks_which_one_and_then_in_which_way(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat", count=4)
    asked = await world.alice.click(first.response, label="More")
    then = await choose(world, asked.response, "2:")
    assert then.ephemeral
    await choose(world, then.response, "2:colourise")
    job = await newest(world)
    assert (job.action, job.request.mask) == ("colourise", None)


async def test_what_was_made_so_can_be_drawn_again_and_varied(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    asked = await world.alice.click(first.response, label="More")
    tiled = await choose(world, asked.response, "0:tileable")
    again = await world.bob.click(tiled.response, label="Rerun")
    assert not again.ephemeral
    assert (await newest(world)).request.reframing == "tileable"
    asked = await world.alice.click(tiled.response, label="Vary")
    await choose(world, asked.response, "0:subtle")
    assert (await newest(world)).request.reframing is None


async def test_four_times_as_large_is_drawn_in_tiles_and_counts_as_one_picture(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    asked = await world.alice.click(first.response, label="Upscale")
    answer = await choose(world, asked.response, "0:4x")
    job = await newest(world)
    assert (job.request.size, job.request.tile, job.request.count) == ((256, 256), 64, 1)
    assert "256×256" in words(answer.response)


async def test_only_sizes_within_the_members_limit_are_offered(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.admin.slash(world.channel, "admin limits set", largest_size=128)
    asked = await world.alice.click(first.response, label="Upscale")
    assert [option["value"] for option in asked.response.components[0]["components"][0]["options"]] == ["0:2x"]
    await world.admin.slash(world.channel, "admin limits set", largest_size=64)
    assert "as large already" in refusal(await world.alice.click(first.response, label="Upscale"))


async def test_parameters_tells_what_another_program_wrote_into_a_picture(world: World) -> None:
    info = PngInfo()
    settings = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42"
    info.add_text("parameters", f"a @everyone cat\nNegative prompt: dogs\n{settings}")
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "PNG", pnginfo=info)
    message = await world.bob.send(world.channel, "", attachments=[("a.png", png()), ("b.png", out.getvalue())])
    answer = await world.alice.context_menu(world.channel, "Parameters", message)
    assert answer.ephemeral
    said = words(answer.response)
    assert "AUTOMATIC1111" in said
    assert "cat" in said
    assert "dogs" in said
    assert "Seed 42" in said
    assert "@everyone" not in said, "nothing that pings"


async def test_parameters_of_a_result_are_all_that_is_known(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat", seed=5)
    answer = await world.bob.context_menu(world.channel, "Parameters", first.response)
    assert "Seed: 5" in words(answer.response)


async def test_parameters_of_a_picture_that_says_nothing(world: World) -> None:
    message = await world.bob.send(world.channel, "", attachments=[("a.png", png())])
    answer = await world.alice.context_menu(world.channel, "Parameters", message)
    assert "does not say" in words(answer.response)


async def test_parameters_of_what_is_no_picture(world: World) -> None:
    message = await world.bob.send(world.channel, "", attachments=[("a.png", b"<html>")])
    answer = await world.alice.context_menu(world.channel, "Parameters", message)
    assert "The image" in refusal(answer)


async def test_a_crowd_of_uploads_is_refused_privately_and_asks_for_nothing(world: World) -> None:
    with ExitStack() as coming:
        for _ in range(MOST_COMING):
            coming.enter_context(world.parts.images.inputs.room())
        answer = await world.alice.slash(world.channel, "imagine", prompt="a cat", image=("in.png", png()))
        assert "very busy" in refusal(answer)
    assert not await world.jobs()
    await world.alice.slash(world.channel, "imagine", prompt="a cat", image=("in.png", png()))
    assert len(await world.jobs()) == 1
