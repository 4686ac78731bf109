"""A row keeps the rules by which its prompt is read: a rerun and a replay keep to them, an edit makes a new one."""

import pytest

from bot.services.remakes import Edit, Remakes
from bot.services.replays import Replays
from bot.storage.requests import from_data, to_data
from generation.alternatives import Wildcards, draw
from generation.request import SYNTAX, WORD_FOR_WORD

OLD = "a (cat:1.2) {a|b} __x__ --ar 2:1"
TEMPLATE = "a {red|blue|green|yellow} __thing__"


async def test_a_row_of_earlier_days_is_drawn_as_it_was_again_and_again(house, ann, here):
    first = await house.drawn(ann, prompt=OLD, syntax=WORD_FOR_WORD)
    again = await house.images.rerun(first, ann, at=here)
    replay = await Replays(house.images).draw(first, ann, at=here)
    for ticket in (again, replay):
        request = ticket.job.request
        assert (request.prompt, request.syntax, request.template) == (OLD, WORD_FOR_WORD, None)


async def test_an_edit_is_read_by_the_rules_of_today(house, ann):
    first = await house.drawn(ann, prompt=OLD, syntax=WORD_FOR_WORD)
    edited = await Remakes(house.images).edit(first, 0, Edit(prompt=OLD), None, ann)
    assert edited.request.syntax == SYNTAX
    assert edited.request.prompt == draw("a (cat:1.2) {a|b} __x__", 7)
    assert (edited.request.width, edited.request.height) != (64, 64)
    kept = await Remakes(house.images).edit(first, 0, Edit(), None, ann)
    assert (kept.request.syntax, kept.request.template) == (SYNTAX, OLD)


async def test_a_replay_draws_what_was_drawn_though_the_lists_have_changed(house, ann, here):
    house.catalog.wildcards = Wildcards({"thing": ["cat", "dog", "fox"]})
    first = await house.drawn(ann, prompt=TEMPLATE, negative_prompt="{x|y}", count=3)
    before = (await house.images.job(first)).request
    assert len(set(before.texts)) > 1
    house.catalog.wildcards = Wildcards({"thing": ["car"]})
    replay = await Replays(house.images).draw(first, ann, at=here)
    assert replay.job.request == before
    again = await house.images.rerun(first, ann, at=here)
    assert again.job.request.template == TEMPLATE
    assert all(prompt.endswith(" car") for prompt, _ in again.job.request.texts)


@pytest.mark.parametrize(
    "chosen", [{}, {"prompt": TEMPLATE, "count": 4}, {"understood": ("--x",), "ignored": ("--y",)}]
)
def test_a_row_gives_back_what_was_written_into_it(house, chosen):
    request = house.request(**chosen)
    back = from_data(to_data(request))
    assert (back, back.understood, back.ignored) == (request, request.understood, request.ignored)
    assert back.alone == request.alone


def test_a_row_without_a_number_is_taken_word_for_word(house):
    data = to_data(house.request(prompt=OLD, syntax=WORD_FOR_WORD))
    del data["syntax"]
    assert from_data(data).syntax == WORD_FOR_WORD
