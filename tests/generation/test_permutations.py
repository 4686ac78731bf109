"""`{red, blue} heart`: one prompt that asks for several."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.errors import InvalidRequest
from generation.permutations import MOST_PICTURES, permuted
from generation.request import MAX_PROMPT


@pytest.mark.parametrize(
    ("prompt", "each"),
    [
        ("{red, blue} heart", ["red heart", "blue heart"]),
        ("{red,blue} {heart, star}", ["red heart", "red star", "blue heart", "blue star"]),
        ("a ({red, blue}:1.2) heart", ["a (red:1.2) heart", "a (blue:1.2) heart"]),
        ("{a, {b, c} d} e", ["a e", "b d e", "c d e"]),
        ("{{a, b}|c} d", ["{a|c} d", "{b|c} d"]),
        ("{a|b, c} d", ["{a|b, c} d"]),
        ("{{a|b}, c} __animal__", ["{a|b} __animal__", "c __animal__"]),
        (r"{a\, b, c}", [r"a\, b", "c"]),
        (r"\{a, b\}", [r"\{a, b\}"]),
        ("{a, a} b", ["a b"]),
        ("{a,} b", ["a b", "b"]),
        ("{a, b", ["{a, b"]),
        ("a, b", ["a, b"]),
        ("{a} b", ["{a} b"]),
        ("a heart --ar {1:1, 2:1}", ["a heart --ar 1:1", "a heart --ar 2:1"]),
        ("a {cat BREAK <lora:x:1>, dog} b", ["a cat BREAK <lora:x:1> b", "a dog b"]),
    ],
)
def test_a_prompt_is_all_that_it_asks_for_in_the_order_of_writing(prompt: str, each: list[str]) -> None:
    assert list(permuted(prompt)) == each


def test_more_than_forty_are_refused_with_the_number_before_any_is_made() -> None:
    assert len(permuted("{a, b} {" + ", ".join(map(str, range(20))) + "}")) == MOST_PICTURES
    with pytest.raises(InvalidRequest) as refusal:
        permuted("{a, b} {" + ", ".join(map(str, range(21))) + "}")
    assert (refusal.value.field, refusal.value.given, refusal.value.most) == ("permutations", 42, MOST_PICTURES)
    started = time.perf_counter()
    with pytest.raises(InvalidRequest):
        permuted(("{a,b}" * MAX_PROMPT)[:MAX_PROMPT])
    permuted(("{a," * MAX_PROMPT)[:MAX_PROMPT])
    assert time.perf_counter() - started < 2


@given(st.text(max_size=60) | st.text(alphabet="ab{}|,()[]_:1.<lor>\\- BREAK", max_size=80))
def test_no_text_breaks_it_and_what_asks_for_one_picture_is_left_as_it_is(prompt: str) -> None:
    found: tuple[str, ...] = (prompt,)
    with suppress(InvalidRequest):
        found = permuted(prompt)
    assert 1 <= len(found) <= MOST_PICTURES
    if "{" not in prompt or "," not in prompt:
        assert found == (prompt,)
