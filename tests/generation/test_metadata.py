"""The parameters chunk of a PNG, as other tools read it."""

import io

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from generation.metadata import enlarged, parameters_text, png_of
from generation.request import GenerationRequest, SchedulerName
from tests.png_parameters import parse_parameters


def request(**wishes: object) -> GenerationRequest:
    return GenerationRequest(
        **{
            "prompt": "a red heart",
            "model": "builtin",
            "width": 64,
            "height": 48,
            "steps": 20,
            "guidance_scale": 7.0,
            "scheduler": SchedulerName.EULER_A,
            "seed": 1,
            **wishes,
        }  # type: ignore[arg-type]
    )


def test_parameters_are_written_as_automatic1111_writes_them() -> None:
    assert parameters_text(request(negative_prompt="blue"), seed=2, model_hash="0123456789") == (
        "a red heart\n"
        "Negative prompt: blue\n"
        "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 2, Size: 64x48, Model hash: 0123456789, Model: builtin"
    )


def test_a_png_carries_its_parameters() -> None:
    png = png_of(Image.new("RGB", (64, 48)), request(prompt="ein 🟥 Herz"), seed=3, model_hash=None)
    fields = parse_parameters(Image.open(io.BytesIO(png)).text["parameters"])  # type: ignore[attr-defined]
    assert fields == {
        "Prompt": "ein 🟥 Herz",
        "Steps": "20",
        "Sampler": "Euler a",
        "CFG scale": "7",
        "Seed": "3",
        "Size": "64x48",
        "Model": "builtin",
    }


lines = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"]), min_size=1).filter(
    lambda s: s.strip() == s and s.strip() and not s.startswith("Negative prompt: ")
)


@given(prompt=lines, negative=st.just("") | lines, model=lines)
def test_parameters_are_read_back_as_they_were_written(prompt: str, negative: str, model: str) -> None:
    text = parameters_text(request(prompt=prompt, negative_prompt=negative, model=model), seed=9)
    fields = parse_parameters(text)
    assert fields["Prompt"] == prompt
    assert fields.get("Negative prompt", "") == negative
    assert fields["Model"] == model
    assert fields["Seed"] == "9"


def test_foreign_text_is_a_prompt() -> None:
    assert parse_parameters("just words") == {"Prompt": "just words"}
    assert parse_parameters("") == {"Prompt": ""}


def test_an_enlarged_picture_still_tells_its_native_size() -> None:
    png = png_of(Image.new("RGB", (64, 48), "red"), request(), seed=3, model_hash=None)
    picture = Image.open(io.BytesIO(enlarged(png, 4)))
    assert picture.size == (256, 192)
    assert picture.convert("RGB").getpixel((128, 96)) == (255, 0, 0)
    assert parse_parameters(picture.text["parameters"])["Size"] == "64x48"  # type: ignore[attr-defined]
