"""Somebody else's text in our messages."""

import pytest
from discord import AllowedMentions
from hypothesis import given
from hypothesis import strategies as st

from bot.discord_ui.words import text as wording


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a **bold** cat", r"a \*\*bold\*\* cat"),
        ("# heading", r"\# heading"),
        ("a \x1b[31mred\x7f cat", r"a \[31mred cat"),
        ("> quote", r"\> quote"),
        ("```code```", r"\`\`\`code\`\`\`"),
        ("||hidden||", r"\|\|hidden\|\|"),
        ("[click](https://evil.example)", "\\[click](https:\u200b//evil.example)"),
        ("discord.gg/abc and HTTP://x.y", "discord.gg\u200b/abc and HTTP:\u200b//x.y"),
        ("two\n# lines", "two # lines"),
    ],
)
def test_markdown_in_a_prompt_is_escaped(prompt: str, expected: str) -> None:
    assert wording.shown(prompt) == expected


@pytest.mark.parametrize("prompt", ["@everyone", "@here", "<@123456789012345678>", "<@&123456789012345678>"])
def test_mentions_in_a_prompt_ping_nobody(prompt: str) -> None:
    assert prompt not in wording.shown(prompt)
    assert AllowedMentions.none().to_dict() == {"parse": []}


@pytest.mark.parametrize("backslashes", range(5))
@pytest.mark.parametrize("mention", ["<@1>", "<#1>", "<t:1:R>", "<:a:1>", "[x](y)"])
def test_backslashes_do_not_save_a_mention(backslashes: int, mention: str) -> None:
    shown = wording.shown("\\" * backslashes + mention)
    before = shown[: shown.index(mention[0])]
    assert (len(before) - len(before.rstrip("\\"))) % 2 == 1, "an odd number of backslashes: the bracket is text"


@given(st.text(max_size=7000))
def test_a_prompt_is_one_short_line(prompt: str) -> None:
    shown = wording.shown(prompt)
    assert "\n" not in shown
    assert len(shown) <= 4 * wording.SHOWN_PROMPT


@pytest.mark.parametrize(
    ("amount", "expected"),
    [(0.04, "0.0 s"), (3.21, "3.2 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations_are_written_for_people(amount: float, expected: str) -> None:
    assert wording.seconds(amount) == expected


def test_a_noun_has_its_plural() -> None:
    assert wording.counted(1, "picture") == "1 picture"
    assert wording.counted(4, "picture") == "4 pictures"


def test_the_progress_bar_fills_with_the_steps() -> None:
    assert wording.bar(0, 10).count("▰") == 0
    assert wording.bar(5, 10).count("▰") == 6
    assert wording.bar(10, 10).count("▱") == 0
