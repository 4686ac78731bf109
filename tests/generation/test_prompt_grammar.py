"""The grammar of prompts: every row of its table, its escapes, and text that only looks like it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.alternatives import Wildcards, draw, texts
from generation.prompt_grammar import (
    MOST_NESTED,
    MOST_WEIGHT,
    Choice,
    Span,
    parse,
    plain,
    sections,
    weights_beyond,
    wildcards_in,
)
from generation.request import MAX_PROMPT

ANY = st.text(max_size=60) | st.text(alphabet="ab{}|,()[]_:1.<lor>\\- BREAK", max_size=80)
ANIMALS = Wildcards({"animal": ["cat", "dog", "fox"], "Birds/Small": ["wren"]})


def spans(prompt: str) -> list[tuple[str, float]]:
    (section,) = sections(prompt)
    return [(span.text, pytest.approx(span.weight)) for span in section]


@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        ("a red heart", [("a red heart", 1)]),
        ("(red) heart", [("red", 1.1), (" heart", 1)]),
        ("((red)) heart", [("red", 1.21), (" heart", 1)]),
        ("[red] heart", [("red", 1 / 1.1), (" heart", 1)]),
        ("(red:1.4) heart", [("red", 1.4), (" heart", 1)]),
        ("(red : .5)", [("red ", 0.5)]),
        ("(a (b:1.5) c:0.8)", [("a ", 0.8), ("b", 1.2), (" c", 0.8)]),
        ("([b])", [("b", 1)]),
        ("(a, b:1.2, c)", [("a, b:1.2, c", 1.1)]),
        ("[a:b:0.5]", [("a:b:0.5", 1 / 1.1)]),
        ("a <lora:shiny:0.8> heart", [("a  heart", 1)]),
        (r"\(a\) \[b\] \{c\} \\ \| \, \_ \< \-", [(r"(a) [b] {c} \ | , _ < -", 1)]),
        (r"(a \(b\):1.3)", [("a (b)", 1.3)]),
        (r"a\b", [(r"a\b", 1)]),
        (":) (: a", [(":) (: a", 1)]),
        ("(a [b) c]", [("a [b", 1.1), (" c]", 1)]),
        ("a (red heart", [("a (red heart", 1)]),
        ("(a:) (b:x)", [("a:", 1.1), (" ", 1), ("b:x", 1.1)]),
        ("{a} {b|c} __d__ <3 a_b", [("{a} {b|c} __d__ <3 a_b", 1)]),
        ("", []),
    ],
)
def test_weights_are_read_and_all_else_is_text(prompt: str, read: list[tuple[str, float]]) -> None:
    assert spans(prompt) == read


def test_break_begins_a_section_and_an_empty_one_counts_for_nothing() -> None:
    assert sections("BREAK a BREAK BREAK (b:1.2)BREAK") == ((Span(" a "),), (Span(" "), Span("b", 1.2)))
    assert sections("BREAKFAST tea break") == ((Span("BREAKFAST tea break"),),)


@pytest.mark.parametrize(
    ("prompt", "weight"), [("(a:9)", MOST_WEIGHT), ("(a:-1)", 0.0), ("(" * 9 + "a" + ")" * 9, 2.0)]
)
def test_a_weight_out_of_sense_is_taken_as_the_nearest_that_makes_sense(prompt: str, weight: float) -> None:
    assert spans(prompt) == [("a", weight)]
    assert weights_beyond(prompt)
    assert not weights_beyond("(a:2) (b:0) [c]")


@pytest.mark.parametrize("prompt", ["a red heart", "❤️ (: x", "", "  two  spaces ", "a:b"])
def test_the_bare_words_of_a_prompt_without_grammar_are_the_prompt(prompt: str) -> None:
    assert plain(prompt) == prompt


def test_bare_words_have_no_weights_escapes_and_adapters() -> None:
    assert plain(r"(red:1.3) [heart] <lora:x:1>\(big\) BREAK star").split() == ["red", "heart", "(big)", "star"]


@pytest.mark.parametrize(
    ("template", "possible"),
    [
        ("{red|blue} heart", {"red heart", "blue heart"}),
        ("{red | dark {blue|green}} heart", {"red heart", "dark blue heart", "dark green heart"}),
        ("a{| big} cat", {"a cat", "abig cat"}),
        ("{(red:1.2)|[blue]} cat", {"(red:1.2) cat", "[blue] cat"}),
        ("({red|blue}:1.3)", {"(red:1.3)", "(blue:1.3)"}),
        ("{a, b|c}", {"a, b", "c"}),
        (r"{a\|b|c}", {r"a\|b", "c"}),
        ("__animal__ and __ANIMAL__", {f"{a} and {b}" for a in ("cat", "dog", "fox") for b in ("cat", "dog", "fox")}),
        ("__birds/small__", {"wren"}),
    ],
)
def test_each_alternative_is_drawn_by_some_seed(template: str, possible: set[str]) -> None:
    assert {draw(template, seed, ANIMALS) for seed in range(60)} == possible


@pytest.mark.parametrize(
    "prompt", ["{red} heart", "{a|b", "a|b}", r"\{a|b\}", r"\__animal__", "__unknown__", "_animal_", "{a, b} cat", "{}"]
)
def test_what_only_looks_like_an_alternative_stays_as_it_is(prompt: str) -> None:
    assert {draw(prompt, seed, ANIMALS) for seed in range(9)} == {prompt}


def test_the_same_seed_draws_the_same_everywhere() -> None:
    drawn = [draw("{red|blue|green} __animal__", seed, ANIMALS) for seed in (1, 2, 3, 2**32 - 1)]
    assert drawn == ["green dog", "blue dog", "blue dog", "red fox"]


def test_lines_may_name_other_lists_and_hold_alternatives() -> None:
    lists = Wildcards({"pet": ["a {red|blue} __kind__"], "kind": ["cat"]})
    assert {draw("__pet__", seed, lists) for seed in range(20)} == {"a red cat", "a blue cat"}


def test_a_list_that_names_itself_is_harmless() -> None:
    lines = {"a": "x __a__ __a__", "b": "__c__ " * 50, "c": "__b__ " * 50, "d": "y" * 900 + "__d__" * 9}
    lists = Wildcards({name: [line] for name, line in lines.items()})
    started = time.perf_counter()
    for name in lines:
        assert 0 < len(draw(f"__{name}__", 1, lists)) <= MAX_PROMPT
    assert time.perf_counter() - started < 2
    assert draw("__a__", 1, lists).startswith("x x x")


def test_fifty_nested_braces_are_harmless() -> None:
    deep = "{a|" * 50 + "b" + "}" * 50
    assert {draw(deep, seed)[0] for seed in range(50)} <= {"a", "{"}
    assert "".join(sections(deep)[0][0].text) == deep
    wide = "(" * 50 + "b" + ")" * 50
    assert spans(wide) == [("(" * (50 - MOST_NESTED) + "b" + ")" * (50 - MOST_NESTED), MOST_WEIGHT)]


@pytest.mark.parametrize("nonsense", ["(", "([{", "{|", "__a", "<lora:", "(a:1.", ":1", "(:1)", "{a|b}", "\\", "BREAK"])
def test_the_longest_prompt_of_brackets_takes_no_time(nonsense: str) -> None:
    started = time.perf_counter()
    prompt = (nonsense * MAX_PROMPT)[:MAX_PROMPT]
    draw(prompt, 1)
    sections(prompt)
    assert time.perf_counter() - started < 2


@given(ANY, st.integers(0, 2**32 - 1))
def test_no_text_breaks_the_parser(prompt: str, seed: int) -> None:
    drawn = draw(prompt, seed, ANIMALS)
    assert all(0 <= span.weight <= MOST_WEIGHT for section in sections(drawn) for span in section)
    plain(drawn)
    weights_beyond(drawn)
    wildcards_in(prompt)


@given(st.text(alphabet=st.characters(blacklist_characters="()[]{}|,_\\<", blacklist_categories=["Cs"]), max_size=60))
def test_a_prompt_without_brackets_is_one_text(prompt: str) -> None:
    if "BREAK" not in prompt:
        assert plain(draw(prompt, 1)) == prompt
        assert not any(isinstance(node, Choice) for node in parse(prompt))


def test_a_request_keeps_the_template_beside_what_each_image_shows() -> None:
    found = texts("{red|blue} heart", "{dark|pale}", seeds=[1, 2, 3, 4], wildcards=ANIMALS)
    drawn = [(found["prompt"], found["negative_prompt"]), *found["others"]]
    expected = [(draw("{red|blue} heart", s), draw("{dark|pale}", s, field="negative_prompt")) for s in (1, 2, 3, 4)]
    assert drawn == expected
    assert len(set(drawn)) > 1
    assert (found["template"], found["negative_template"]) == ("{red|blue} heart", "{dark|pale}")


def test_a_prompt_that_leaves_nothing_open_has_no_template() -> None:
    assert texts("(a) cat", "", seeds=[1, 2], wildcards=ANIMALS) == {"prompt": "(a) cat", "negative_prompt": ""}
    assert texts("{a|b} cat", "", seeds=[1], wildcards=None) == {"prompt": "{a|b} cat", "negative_prompt": ""}
