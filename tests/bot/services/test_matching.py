"""Words that are found however they are disguised, and ordinary sentences that have none of them."""

import time
from contextlib import suppress
from functools import cache
from unicodedata import normalize

import pytest
from confusable_homoglyphs import confusables
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BadPattern
from bot.services.matching import ALL_PATTERNS_SECONDS, MAX_PATTERN, PATTERN_SECONDS, WordList, compiled

WORDS = ("ass", "nude", "loli", "little girl", "gore", "tits", "naïve", "хуй", "裸体", "r34")
LATIN = ("ass", "nude", "loli", "gore", "tits", "kill", "blood")
DIGITS = {"o": "0", "i": "1!|", "l": "1!|", "e": "3", "a": "4@", "s": "5$", "t": "7"}
UNSEEN = ("\u200b", "\u200d", "\u2060", "\ufe0f", "\u00ad", "\u034f", "\u3164", "\u0301", "\u0336")
GAPS = (" ", "  ", ".", "-", "_", "*", " - ", "·", "/")
#: What the library takes for a letter, but what Unicode itself says is another one: "ſ" is an s, "ϲ" a sigma ...
OTHERS = frozenset("ƄϲſẝƍƖ￨˛ͺǀꭈꞟʋɣᶌംఁంಂං")
ORDINARY = (
    "a classic assembly hall in the grass",
    "the pen is mightier than the sword",
    "an Essex therapist analyses Scunthorpe",
    "titan of Titicaca, a category of its own",
    "a denuded hill, categories of gorgeous fjords",
    "a little boy and a girl at 12:30, f/2.8, 35mm, ISO 100",
    "(masterpiece:1.2), [red|blue] car, 8k, <lora:classic:0.8>",
    "I asked 3 of 4 lads; U.S.A. and R.E.M. play",
    "ein Mädchen mit Öl, café, naïf, lolium",
    "женщина в саду с собакой",
    "一只红色的猫",
)

WHOLE = WordList(LATIN)


@cache
def like(letter: str) -> tuple[str, ...]:
    """What looks like a letter, by the library's own list."""
    found = confusables.is_confusable(letter, greedy=True) or [{"homoglyphs": []}]
    glyphs = [one["c"] for one in found[0]["homoglyphs"]]
    single = [c for c in glyphs if len(c) == 1 and not c.isascii() and c not in OTHERS]
    return tuple(c for c in single if normalize("NFKC", c) not in {"I", "|"} or letter == "i")


@st.composite
def disguised(draw: st.DrawFn) -> tuple[str, str]:
    """A word, and the same in disguise."""
    word = draw(st.sampled_from(LATIN))
    written: list[str] = []
    gap = draw(st.sampled_from(("", *GAPS)))
    for letter in word:
        digits = DIGITS.get(letter, "").replace("!", "").replace("|", "") if gap else DIGITS.get(letter, "")
        if not written or letter is word[-1]:
            digits = digits.replace("!", "").replace("|", "")  # at an edge these are punctuation
        ways = [letter, letter.upper(), *digits, *like(letter)]
        written.append(draw(st.sampled_from(ways)) + draw(st.sampled_from(("", *UNSEEN))))
    return word, gap.join(written)


@given(disguised(), st.sampled_from(("{}", "a red {} in oil", "one,{}: two", "({}:1.3)", "«{}»")))
def test_a_word_is_found_however_it_is_disguised(pair: tuple[str, str], around: str) -> None:
    word, written = pair
    assert word in WHOLE.found_in(around.format(written)), written


@given(st.lists(st.sampled_from(ORDINARY), min_size=1, max_size=4))
def test_ordinary_sentences_have_none_of_the_words(sentences: list[str]) -> None:
    assert WordList(WORDS).found_in(". ".join(sentences)) == ()


@given(st.text(alphabet="bcdfghjkmnpqrvwxyz ,.()", max_size=200))
def test_text_without_their_letters_has_none_of_the_words(text: str) -> None:
    assert WHOLE.found_in(text) == ()


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    found = WordList(WORDS, ["nud(e|ity)"]).found_in(text)
    assert set(found) <= {*WORDS, "nud(e|ity)"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a classic ass", "ass"),
        ("LITTLE-GIRL", "little girl"),
        ("littlegirl", "little girl"),
        ("a litt1e   g1rl", "little girl"),
        ("NAIVE", "naïve"),
        ("Хуй", "хуй"),
        ("美丽的裸 体女人", "裸体"),
        ("R34 style", "r34"),
        ("🄽🅄🄳🄴", "nude"),
        ("red|nude|blue", "nude"),
        ("2nude 4k", "nude"),
        ("nu(de)", "nude"),
        ("Ioli", "loli"),
    ],
)
def test_a_word_is_found_in(text: str, found: str) -> None:
    assert WordList(WORDS).found_in(text) == (found,)


@pytest.mark.parametrize("text", ["a tall lad", "assassin", "rea", "denude", "loll", "asses", "as s", "nu de"])
def test_other_words_are_not_taken_for_it(text: str) -> None:
    assert WordList((*WORDS, "tail")).found_in(text) == ()


def test_a_pattern_is_compared_with_the_text_as_it_is_and_without_its_disguises() -> None:
    found = WordList((), [r"nud(e|ity)", r"\b1[0-7] ?(yo|years)\b", "É"]).found_in
    assert found("NUD1TY") == found("n u d e") == found("nudіty") == ("nud(e|ity)",)
    assert found("a 16 yo") == (r"\b1[0-7] ?(yo|years)\b",)
    assert found("café") == ("É",)
    assert found("a red heart") == ()


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a" * (MAX_PATTERN + 1), "length"),
        ("(" * 60, "nesting"),
        ("(((((a)))))", "nesting"),
        ("(a)" * 11, "nesting"),
        ("a{999999999}", "form"),
        ("a{51}", "repeats"),
        ("((((a{50}){50}){50}){50})b", "repeats"),
        ("((a{,50}){50}){2,3}", "repeats"),
        ("(?R)x", "form"),
        ("(?:foo){e<=3}", "form"),
        ("(?P<n>x)", "form"),
        (r"\L<names>", "form"),
        (r"(a)\g<1>", "form"),
        ("(*PRUNE)a", "form"),
        ("[a", "syntax"),
        ("a)", "syntax"),
        (".*", "everything"),
        ("a|", "everything"),
        (r"\s", "everything"),
    ],
)
def test_a_pattern_that_is_too_large_or_too_much_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(BadPattern) as refused:
        compiled(pattern)
    assert refused.value.reason == reason


@given(st.text(alphabet=r"a1b(){}[]|?*+.,\^$-:=!<>&~PRpd ", max_size=40))
def test_whatever_pattern_is_given_is_compiled_or_refused_soon(pattern: str) -> None:
    begun = time.monotonic()
    with suppress(BadPattern):
        WordList((), [pattern]).found_in("ab1 " * 500)
    assert time.monotonic() - begun < 5


def test_a_pattern_that_takes_too_long_counts_as_not_found_and_is_known_from_then_on() -> None:
    words = WordList((), ["(a|aa)+$", "heart"])
    begun = time.monotonic()
    assert words.found_in("a" * 5000 + "! heart") == ("heart",)
    assert words.slow == {"(a|aa)+$"}
    assert time.monotonic() - begun < 40 * PATTERN_SECONDS
    assert words.found_in("a heart") == ("heart",)


def test_fifty_slow_patterns_take_no_longer_than_all_patterns_may() -> None:
    words = WordList(("gore",), [f"(a|aa)+{number}" for number in range(50)])
    begun = time.monotonic()
    assert words.found_in("gore " + "a" * 5000) == ("gore",)
    assert time.monotonic() - begun < 8 * ALL_PATTERNS_SECONDS


def test_the_longest_texts_are_read_in_a_moment() -> None:
    """Each of these makes one way of reading as long as it can be."""
    words = WordList([f"word{chr(97 + number % 26)}{chr(97 + number // 26)}" for number in range(500)])
    longest = [
        "a " * 3000,
        "a-" * 3000,
        "ab-" * 2000,
        "1!" * 3000,
        "".join(map(chr, range(0x400, 0x1B70))),
        "word" * 1500,
    ]
    begun = time.monotonic()
    for text in longest:
        assert words.found_in(text) == ()
    assert time.monotonic() - begun < 5
