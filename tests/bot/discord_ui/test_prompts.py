"""Prompts as members write them: parameters inside, weights, alternatives, and what a remake makes of them."""

from generation.alternatives import draw
from tests.bot.discord_ui.test_remakes import choose, newest, png
from tests.bot.discord_ui.world import World, words

TEMPLATE = "a {red|blue|green|yellow} {heart|star|moon|sun}"


async def test_imagine_understands_parameters_inside_the_prompt(world: World) -> None:
    typed = "a red heart —ar 2:1 --no blue --steps 3 --seed 5 --stlye raw"
    answer = await world.alice.slash(world.channel, "imagine", prompt=typed, seed=7, negative_prompt="dark")
    request = (await newest(world)).request
    assert (request.prompt, request.negative_prompt, request.steps, request.seed) == ("a red heart", "dark, blue", 3, 7)
    assert request.width == 2 * request.height
    assert "Understood: --ar 2:1 --steps 3 --no blue." in words(answer.response)
    assert "I do not know --stlye raw" in words(answer.response)


async def test_a_parameter_out_of_range_is_refused_as_its_own_field_is(world: World) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat --steps 999")
    assert answer.ephemeral
    assert "**steps**" in answer.response.content
    assert not await world.jobs()


async def test_what_was_drawn_of_alternatives_is_shown_below_what_was_written(world: World) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt=TEMPLATE, seed=5, count=2)
    request = (await newest(world)).request
    drawn = [draw(TEMPLATE, 5), draw(TEMPLATE, 6)]
    assert [prompt for prompt, _ in request.texts] == drawn
    assert request.template == TEMPLATE
    said = words(answer.response)
    assert all(prompt in said for prompt in drawn)
    assert [one.description for one in answer.response.attachments] == [
        f"{prompt} (seed {seed})" for prompt, seed in zip(drawn, (5, 6), strict=True)
    ]


async def test_rerun_draws_the_alternatives_anew_and_vary_keeps_those_of_its_picture(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt=TEMPLATE, seed=5, count=2)
    await world.alice.click(first.response, label="Rerun")
    again = (await newest(world)).request
    assert [prompt for prompt, _ in again.texts] == [draw(TEMPLATE, seed) for seed in again.seeds]
    asked = await world.alice.click(first.response, label="Vary")
    await choose(world, asked.response, "1:subtle")
    varied = (await newest(world)).request
    assert (varied.prompt, varied.template) == (draw(TEMPLATE, 6), None)


async def test_edit_shows_what_was_written_and_draws_the_same_of_it(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt=TEMPLATE, seed=5, count=2)
    asked = await world.alice.click(first.response, label="Edit")
    form = await choose(world, asked.response, "1:")
    await world.alice.submit_modal(form, {"prompt": TEMPLATE + " --steps 4", "negative_prompt": ""})
    edited = (await newest(world)).request
    assert (edited.prompt, edited.seed, edited.steps) == (draw(TEMPLATE, 6), 6, 4)


async def test_a_picture_of_somebody_is_drawn_on_with_parameters_in_the_form(world: World) -> None:
    await world.alice.slash(world.channel, "imagine", prompt="a cat --strength 0.4", image=("in.png", png()))
    assert (await newest(world)).request.strength == 0.4
