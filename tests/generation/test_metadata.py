"""The parameters chunk of a PNG, as other tools read it."""

import io
import re

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from generation.diffusion.loading.sources import BUILTIN_FOLDER
from generation.loras import LoraUse
from generation.metadata import enlarged, exact, parameters_text, png_of
from generation.request import GenerationRequest, SchedulerName, clean_text, has_something_to_see
from tests.png_parameters import parse_parameters
from tests.png_readers import as_automatic1111, as_sd_parsers, as_sd_prompt_reader


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


def test_loras_are_told_as_automatic1111_writes_them() -> None:
    uses = (LoraUse(name="chalk", weight=0.8, sha256="ab" * 32), LoraUse(name="ink", weight=-1, sha256="cd" * 32))
    text = parameters_text(request(loras=uses, negative_prompt="blue"), seed=2)
    assert text.startswith("a red heart <lora:chalk:0.8> <lora:ink:-1>\nNegative prompt: blue\n")
    assert text.endswith('Model: builtin, Lora hashes: "chalk: abababababab, ink: cdcdcdcdcdcd"')
    assert as_automatic1111(text)["Lora hashes"] == "chalk: abababababab, ink: cdcdcdcdcdcd"
    named = request(prompt="a <lora:Chalk:0.8> heart", loras=uses[:1])
    assert parameters_text(named, seed=2).startswith("a <lora:Chalk:0.8> heart\n")


def test_a_picture_to_begin_with_is_named_by_its_strength_and_hash() -> None:
    edit = request(source="0123456789abcdef" * 4, mask="fedcba9876543210" * 4, strength=0.75)
    text = parameters_text(edit, seed=2)
    assert text.endswith(
        "Size: 64x48, Denoising strength: 0.75, Init image hash: 0123456789, Mask hash: fedcba9876, Model: builtin"
    )
    assert parse_parameters(text)["Denoising strength"] == "0.75"


def test_a_second_pass_is_told_in_the_words_of_automatic1111() -> None:
    larger = request(hires=2.0, hires_strength=0.35)
    said = "Denoising strength: {}, Hires upscale: 2, Hires steps: 7, Hires upscaler: Lanczos, Model: builtin"
    assert parameters_text(larger, seed=2).endswith("Size: 64x48, " + said.format("0.35"))
    edit = parse_parameters(
        parameters_text(request(hires=1.5, hires_strength=0.35, source="0" * 64, strength=0.6), seed=2)
    )
    assert (edit["Denoising strength"], edit["Hires denoising strength"]) == ("0.6", "0.35")
    assert edit["Hires upscale"] == "1.5"


def test_tiles_are_told_by_their_size() -> None:
    tiled = request(width=256, height=256, tile=64, source="0" * 64, strength=0.35)
    assert parse_parameters(parameters_text(tiled, seed=2))["Tile size"] == "64"


def test_what_the_tokenizer_got_is_written_where_it_is_not_the_prompt() -> None:
    text = parameters_text(request(prompt="Two red hearts!"), seed=2, read="red heart")
    assert text.splitlines()[0] == "Two red hearts!"
    assert text.endswith(", Model: builtin, Read as: red heart")
    png = png_of(Image.new("RGB", (8, 8)), request(prompt="Two red hearts!"), seed=2, model_hash=None, read="red heart")
    for reader in (parse_parameters, as_automatic1111, as_sd_prompt_reader):
        assert reader(text)["Read as"] == "red heart"
        assert reader(text)["Model"] == "builtin"
    assert as_sd_parsers(png)["Read as"] == "red heart"
    assert as_sd_parsers(png)["Model"] == "builtin"
    assert parameters_text(request(), seed=2, read="a red heart") == parameters_text(request(), seed=2)


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


# Four readers: our tests' own, two whose rules are written out, and a library

FORGED = (
    "a cat\nNegative prompt: dog",
    "Negative prompt: dog",
    "a cat Negative prompt: dog",
    "a cat\nNegative\tprompt: dog",
    "a cat\nnegative prompt: dog",
    "a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 8x8, Model: theirs",
    "Steps: 20, Sampler: Euler, CFG scale: 7, Seed: 1",
    "a cat\r\nSteps: 1",
    "a cat\x0bSteps: 1\x85Seed: 5\u2028Steps: 3",
    'a "cat", Seed: 5, Hashes: {"model": "1"}',
    "a cat\n\n",
    "STEPS: 3\nSteps:4",
)
words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"]), min_size=1).filter(
    lambda text: has_something_to_see(text) and not re.search(r"(negative prompt|steps):", text, re.IGNORECASE)
)
prompts = st.lists(st.sampled_from(FORGED) | words, min_size=1, max_size=3).map("\n".join)
models = words | st.sampled_from(
    ["a, Seed: 5", 'x", Steps: 1', "a\nSteps: 3, Seed: 4, Size: 1x1", "C:\\models\\a", ",:"]
)


@given(prompt=prompts, negative=st.just("") | prompts, model=models)
def test_a_prompt_or_a_models_name_cannot_forge_the_parameters(prompt: str, negative: str, model: str) -> None:
    asked = request(prompt=clean_text(prompt), negative_prompt=clean_text(negative), model=model)
    text = parameters_text(asked, seed=9)
    png = png_of(Image.new("RGB", (8, 8)), asked, seed=9, model_hash=None)
    readings = {
        "own": parse_parameters(text),
        "AUTOMATIC1111": as_automatic1111(text),
        "sd-prompt-reader": as_sd_prompt_reader(text),
        "sd-parsers": as_sd_parsers(png),
    }
    name = " ".join(re.sub(r'[,:"\\]', " ", model).split())
    for reader, fields in readings.items():
        assert same(fields["Prompt"], asked.prompt), reader
        assert same(fields.get("Negative prompt", ""), asked.negative_prompt), reader
        settings = {key: fields.get(key, "").strip() for key in ("Steps", "Sampler", "CFG scale", "Seed", "Model")}
        assert settings == {
            "Steps": "20",
            "Sampler": "Euler a",
            "CFG scale": "7",
            "Seed": "9",
            "Model": name,
        }, reader


def same(read: str, asked: str) -> bool:
    """Whether two prompts are the same but for white space, of which a model takes any amount for one space."""
    return re.sub(r"\s", "", read) == re.sub(r"\s", "", asked)


def test_a_written_prompt_has_the_same_tokens_as_the_one_that_was_drawn() -> None:
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(BUILTIN_FOLDER / "tokenizer")
    for prompt in FORGED:
        written = parse_parameters(parameters_text(request(prompt=clean_text(prompt)), seed=1))["Prompt"]
        assert tokenizer(written)["input_ids"] == tokenizer(clean_text(prompt))["input_ids"]


@given(guidance=st.floats(0, 30))
def test_the_guidance_that_is_written_draws_the_same_picture_again(guidance: float) -> None:
    text = parameters_text(request(guidance_scale=guidance), seed=1)
    assert float(parse_parameters(text)["CFG scale"]) == guidance


def test_numbers_are_written_as_short_as_they_can_be() -> None:
    assert [exact(number) for number in (7.0, 7.5, 7.1234567, 0.1, 0)] == ["7", "7.5", "7.1234567", "0.1", "0"]


def test_foreign_text_is_a_prompt() -> None:
    assert parse_parameters("just words") == {"Prompt": "just words"}
    assert parse_parameters("") == {"Prompt": ""}


def test_an_enlarged_picture_still_tells_its_native_size() -> None:
    png = png_of(Image.new("RGB", (64, 48), "red"), request(), seed=3, model_hash=None)
    picture = Image.open(io.BytesIO(enlarged(png, 4)))
    assert picture.size == (256, 192)
    assert picture.convert("RGB").getpixel((128, 96)) == (255, 0, 0)
    assert parse_parameters(picture.text["parameters"])["Size"] == "64x48"  # type: ignore[attr-defined]
