"""The parameters that other programs leave in their pictures, in files that are made here as they make them."""

import json
import struct
import time
import tracemalloc
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from generation.errors import BadPicture
from generation.foreign_parameters import MOST_NAME, MOST_PAIRS, MOST_VALUE, ForeignParameters, read_parameters
from generation.inputs import FORMATS, MOST_BYTES
from generation.metadata import png_of
from generation.request import MAX_PROMPT, GenerationRequest, SchedulerName
from tests.pictures import file_of

RED = Image.new("RGB", (8, 8), "red")
A1111 = (
    "a castle, <lora:fog:0.8>\nNegative prompt: people\n"
    "Steps: 30, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 12345678901, Size: 512x768, "
    'Model hash: 0123456789, Model: photo, Clip skip: 2, Lora hashes: "fog: 0011aabb, ink: 22ff", Version: v1.9.4'
)
NODES: dict[str, Any] = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "photo.safetensors"}},
    "2": {
        "class_type": "LoraLoader",
        "inputs": {"lora_name": "fog.safetensors", "strength_model": 0.8, "model": ["1", 0], "clip": ["1", 1]},
    },
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "a castle", "clip": ["2", 1]}},
    "4": {"class_type": "CLIPTextEncode", "inputs": {"text": "people", "clip": ["2", 1]}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "6": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 42,
            "steps": 30,
            "cfg": 6.5,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1,
            "model": ["2", 0],
            "positive": ["3", 0],
            "negative": ["4", 0],
            "latent_image": ["5", 0],
        },
    },
    "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "ComfyUI"}},
}
INVOKE = {
    "positive_prompt": "a castle",
    "negative_prompt": "people",
    "scheduler": "euler",
    "steps": 30,
    "cfg_scale": 6.5,
    "seed": 42,
    "width": 512,
    "height": 768,
    "model": {"key": "k", "hash": "blake3:00ff", "name": "photo", "base": "sd-1", "type": "main"},
    "loras": [{"model": {"key": "l", "name": "fog"}, "weight": 0.8}],
    "app_version": "5.0.0",
}
NOVEL = {
    "Title": "NovelAI generated image",
    "Description": "a castle",
    "Software": "NovelAI",
    "Source": "Stable Diffusion XL C1E1DE52",
    "Comment": json.dumps(
        {"steps": 28, "sampler": "k_euler", "seed": 42, "scale": 6.5, "uc": "people", "width": 512, "height": 768}
    ),
}


def png(**texts: str) -> bytes:
    return png_with({name.replace("_md", "-md"): text for name, text in texts.items()})


def png_with(texts: dict[str, str], *, packed: bool = False) -> bytes:
    info = PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, text, zip=packed) if not text.isascii() else info.add_text(name, text, zip=packed)
    return file_of(RED, "PNG", pnginfo=info)


def with_comment(kind: str, comment: bytes) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    return file_of(RED, kind, exif=exif)


def read(data: bytes) -> ForeignParameters:
    found = read_parameters(data)
    assert found is not None
    return found


def test_automatic1111_in_png() -> None:
    found = read(png(parameters=A1111))
    assert found == ForeignParameters(
        tool="AUTOMATIC1111",
        prompt="a castle, <lora:fog:0.8>",
        negative_prompt="people",
        sampler="DPM++ 2M",
        steps=30,
        guidance_scale=6.5,
        seed=12345678901,
        size=(512, 768),
        model="photo",
        model_hash="0123456789",
        loras=(("fog", "0.8"), ("ink", "22ff")),
        others=(("Clip skip", "2"), ("Version", "v1.9.4"), ("scheduler", "Karras")),
    )


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + A1111.encode("utf-16-be"),
        b"UNICODE\0" + A1111.encode("utf-16-le"),
        b"ASCII\0\0\0" + A1111.encode(),
        b"\0" * 8 + A1111.encode(),
    ],
)
def test_automatic1111_in_exif_data(kind: str, comment: bytes) -> None:
    assert read(with_comment(kind, comment)) == read(png(parameters=A1111))


def test_one_jpeg_after_another_has_its_own() -> None:
    files = [with_comment("JPEG", b"ASCII\0\0\0" + A1111.replace("castle", f"castle {n}").encode()) for n in range(50)]
    assert [read(file).prompt for file in files] == [f"a castle {n}, <lora:fog:0.8>" for n in range(50)]


def test_our_own() -> None:
    request = GenerationRequest(
        prompt="a red heart, 愛",
        negative_prompt="blue",
        model="builtin",
        width=64,
        height=48,
        steps=20,
        guidance_scale=4.5,
        scheduler=SchedulerName.EULER_A,
        seed=1,
        source="0" * 64,
        strength=0.6,
    )
    found = read(png_of(RED, request, seed=2, model_hash="00ff", read="red heart"))
    assert (found.prompt, found.negative_prompt, found.model) == (request.prompt, "blue", "builtin")
    assert (found.sampler, found.steps, found.guidance_scale, found.seed) == ("Euler a", 20, 4.5, 2)
    assert (found.size, found.model_hash) == ((64, 48), "00ff")
    assert dict(found.others)["Read as"] == "red heart"
    assert dict(found.others)["Denoising strength"] == "0.6"


@pytest.mark.parametrize("with_workflow", [True, False])
def test_comfyui(with_workflow: bool) -> None:
    workflow = {"workflow": json.dumps({"links": [], "nodes": []})} if with_workflow else {}
    found = read(png(prompt=json.dumps(NODES), **workflow))
    assert (found.tool, found.prompt, found.negative_prompt) == ("ComfyUI", "a castle", "people")
    assert (found.sampler, found.steps, found.guidance_scale, found.seed) == ("euler", 30, 6.5, 42)
    assert (found.size, found.model) == ((512, 768), "photo.safetensors")
    assert found.loras == (("fog.safetensors", "0.8"),)
    assert dict(found.others)["scheduler"] == "normal"


def test_comfyui_in_webp() -> None:
    exif = Image.Exif()
    exif[0x0110], exif[0x010F] = "prompt:" + json.dumps(NODES), "workflow:" + json.dumps({"links": []})
    assert read(file_of(RED, "WEBP", exif=exif)) == read(png(prompt=json.dumps(NODES)))


def test_comfyui_with_a_sampler_of_several_nodes() -> None:
    parts = {
        "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a castle", "clip": ["9", 0]}},
        "3": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["2", 0]}},
        "4": {"class_type": "BasicGuider", "inputs": {"model": ["1", 0], "conditioning": ["3", 0]}},
        "5": {"class_type": "RandomNoise", "inputs": {"noise_seed": 42}},
        "6": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
        "7": {"class_type": "BasicScheduler", "inputs": {"scheduler": "simple", "steps": 20, "model": ["1", 0]}},
        "8": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {"noise": ["5", 0], "guider": ["4", 0], "sampler": ["6", 0], "sigmas": ["7", 0]},
        },
    }
    found = read(png(prompt=json.dumps(parts)))
    assert (found.prompt, found.sampler, found.steps, found.seed) == ("a castle", "euler", 20, 42)
    assert (found.model, found.guidance_scale) == ("flux.safetensors", None)


def test_invokeai() -> None:
    found = read(png(invokeai_metadata=json.dumps(INVOKE)))
    assert (found.tool, found.prompt, found.negative_prompt) == ("InvokeAI", "a castle", "people")
    assert (found.sampler, found.steps, found.guidance_scale, found.seed) == ("euler", 30, 6.5, 42)
    assert (found.size, found.model, found.model_hash) == ((512, 768), "photo", "blake3:00ff")
    assert found.loras == (("fog", "0.8"),)
    assert ("app_version", "5.0.0") in found.others


def test_invokeai_of_version_three() -> None:
    older = {
        **INVOKE,
        "model": {"model_name": "photo", "base_model": "sd-1"},
        "loras": [{"lora": {"model_name": "fog"}, "weight": 0.8}],
    }
    found = read(png(invokeai_metadata=json.dumps(older)))
    assert (found.model, found.loras) == ("photo", (("fog", "0.8"),))


def test_invokeai_of_older_days() -> None:
    dream = read(png(Dream='"a castle [people]" -s 30 -S 42 -W 512 -H 768 -C 6.5 -A k_euler'))
    image = {
        "prompt": [{"prompt": "a castle [people]", "weight": 1}],
        "sampler": "k_euler",
        "steps": 30,
        "seed": 42,
        "cfg_scale": 6.5,
        "width": 512,
        "height": 768,
    }
    later = read(png_with({"sd-metadata": json.dumps({"model_weights": "photo", "model_hash": "00", "image": image})}))
    for found in (dream, later):
        assert (found.prompt, found.negative_prompt, found.sampler) == ("a castle", "people", "k_euler")
        assert (found.steps, found.guidance_scale, found.seed, found.size) == (30, 6.5, 42, (512, 768))
    assert (later.model, later.model_hash) == ("photo", "00")


def test_fooocus() -> None:
    said = {
        "prompt": "a castle",
        "negative_prompt": "people",
        "base_model": "photo",
        "base_model_hash": "00ff",
        "sampler": "dpmpp_2m",
        "guidance_scale": 4.0,
        "steps": 30,
        "seed": "42",
        "resolution": "(896, 1152)",
    }
    found = read(png(parameters=json.dumps(said)))
    assert (found.tool, found.prompt, found.negative_prompt, found.model) == ("Fooocus", "a castle", "people", "photo")
    assert (found.sampler, found.steps, found.guidance_scale, found.seed) == ("dpmpp_2m", 30, 4.0, 42)


def test_novelai() -> None:
    found = read(png_with(NOVEL))
    assert (found.tool, found.prompt, found.negative_prompt) == ("NovelAI", "a castle", "people")
    assert (found.sampler, found.steps, found.guidance_scale, found.seed) == ("k_euler", 28, 6.5, 42)
    assert (found.size, found.model, found.model_hash) == ((512, 768), "Stable Diffusion XL", "C1E1DE52")


def test_text_that_is_packed_and_text_behind_the_pixels_is_read_too() -> None:
    plain = png(parameters=A1111)
    assert read(png_with({"parameters": A1111}, packed=True)) == read(plain)
    start = plain.index(b"tEXt") - 4
    end = start + 12 + struct.unpack(">I", plain[start : start + 4])[0]
    behind = plain[:start] + plain[end:-12] + plain[start:end] + plain[-12:]
    assert read(behind) == read(plain)


@pytest.mark.parametrize("kind", FORMATS)
def test_where_nothing_is_said_there_is_nothing(kind: str) -> None:
    assert read_parameters(file_of(RED, kind)) is None


@pytest.mark.parametrize(
    "texts",
    [
        {"parameters": "just a caption"},
        {"parameters": "{"},
        {"parameters": "x\n" + A1111.replace("Negative prompt: ", "Negative prompt: Negative prompt: x")},
        {"prompt": "[]"},
        {"prompt": "{}"},
        {"prompt": json.dumps({"1": None})},
        {"invokeai_metadata": "[]"},
        {"invokeai_metadata": "9" * 5000},
        {"Comment": "{}", "Description": "x", "Source": "y"},
        {"Title": "a holiday", "Comment": "with everybody", "Description": "us", "Source": "camera"},
        {"prompt": "[" * 100_000},
        {"Dream": "no quotes"},
    ],
)
def test_texts_of_no_known_form_are_nothing_to_read(texts: dict[str, str]) -> None:
    assert read_parameters(png_with(texts)) is None


@pytest.mark.parametrize("data", [b"", b"<html>picture.png</html>", b"%PDF", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(BadPicture):
        read_parameters(data)


def test_a_file_of_too_many_bytes_is_refused_unread() -> None:
    with pytest.raises(BadPicture) as error:
        read_parameters(bytes(MOST_BYTES + 1))
    assert error.value.reason == "bytes"


def test_a_picture_that_is_cut_in_its_pixels_still_says_what_stood_before_them() -> None:
    whole = file_of(Image.effect_noise((64, 64), 50), "PNG", pnginfo=_info(A1111))
    assert read(whole[: whole.index(b"IDAT") + 50]).steps == 30


def _info(text: str) -> PngInfo:
    info = PngInfo()
    info.add_text("parameters", text)
    return info


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.mark.parametrize("side", [8, 60_000])
@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize(
    "bomb",
    [
        chunk(b"zTXt", b"parameters\0\0" + zlib.compress(bytes(100_000_000), 9)),
        chunk(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(bytes(100_000_000), 9)),
        chunk(b"zTXt", b"prompt\0\0" + zlib.compress(bytes(1_000_000), 9)) * 100,
    ],
)
def test_a_bomb_of_text_is_not_unpacked(bomb: bytes, behind: bool, side: int) -> None:
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(9 * 8)))
    file = start + (pixels + bomb if behind else bomb + pixels) + chunk(b"IEND", b"")
    tracemalloc.start()
    try:
        with suppress(BadPicture):
            assert read_parameters(file) is None
        assert tracemalloc.get_traced_memory()[1] < 300_000_000
    finally:
        tracemalloc.stop()


def graph(nodes: int, samplers: int) -> dict[str, Any]:
    """Everything leads to everything that comes next, in a circle, and every sampler into it."""
    ring = {
        str(n): {"class_type": "X", "inputs": {"a": [str((n + 1) % nodes), 0], "b": [str((n + 7) % nodes), 0]}}
        for n in range(nodes)
    }
    wishes = {"sampler_name": "x", "steps": 1, "cfg": 1, "positive": ["0", 0], "negative": ["0", 0], "model": ["0", 0]}
    return ring | {f"s{n}": {"class_type": "KSampler", "inputs": {**wishes, "seed": n}} for n in range(samplers)}


@pytest.mark.parametrize(("nodes", "samplers"), [(3, 1), (3, 9), (490, 8), (20, 500), (5000, 1)])
def test_a_graph_that_leads_back_into_itself_comes_to_an_end(nodes: int, samplers: int) -> None:
    began = time.process_time()
    found = read_parameters(png(prompt=json.dumps(graph(nodes, samplers))))
    assert time.process_time() - began < 5
    assert (found is None) == (nodes + samplers > 500)


@pytest.mark.parametrize(
    "texts",
    [
        {"parameters": "Hashes:{" * 4000},
        {"parameters": "Steps: " + "a " * 15_000},
        {"parameters": "Steps: " + ", a: " * 6000},
        {"parameters": 'Steps: a: "' + "\\\\" * 15_000},
        {"parameters": A1111 + ", " + " " * 30_000},
        {"Dream": '"' * 8000},
        {"Dream": '""' + " " * 7990},
        {"Dream": '"' + "[" * 7990 + '"'},
        {"Comment": json.dumps({"sampler": "x"}), "Description": "x", "Source": " " * 200},
    ],
)
def test_no_text_holds_a_reader_up(texts: dict[str, str]) -> None:
    began = time.process_time()
    read_parameters(png_with(texts))
    assert time.process_time() - began < 2


def test_what_is_said_is_short_whatever_stands_in_the_file() -> None:
    many = {f"name {n} " + "x" * 500: "y" * 500 for n in range(500)}
    found = read(png(invokeai_metadata=json.dumps({**INVOKE, **many, "positive_prompt": "z" * 20_000, "seed": "1e9"})))
    assert len(found.others) == MOST_PAIRS
    assert all(len(name) <= MOST_NAME and len(value) <= MOST_VALUE for name, value in found.others)
    assert len(found.prompt) == MAX_PROMPT
    assert found.seed is None
    quiet = read(png(invokeai_metadata=json.dumps({**INVOKE, "positive_prompt": "a\0\u202eb", "app_version": "1\n2"})))
    assert (quiet.prompt, dict(quiet.others)["app_version"]) == ("ab", "1 2")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(data=st.data(), form=st.sampled_from(["invokeai_metadata", "prompt", "sd-metadata", "Comment"]))
def test_whatever_stands_where_something_else_should_is_read_or_is_nothing(data: st.DataObject, form: str) -> None:
    whole: dict[str, Any] = {"invokeai_metadata": INVOKE, "prompt": NODES, "Comment": json.loads(NOVEL["Comment"])}.get(
        form, {"image": {"sampler": "x", "prompt": [{"prompt": "x"}]}, "model_hash": "x"}
    )
    changed = dict(whole)
    for name in data.draw(st.lists(st.sampled_from(sorted(whole)), max_size=3)):
        changed[name] = data.draw(JSON)
        if form == "prompt" and data.draw(st.booleans()):
            inputs = NODES[name]["inputs"]
            one = data.draw(st.sampled_from(sorted(inputs)))
            changed[name] = {**NODES[name], "inputs": {**inputs, one: data.draw(JSON)}}
    check(read_parameters(png_with({**NOVEL, form: json.dumps(changed)})))


def check(found: ForeignParameters | None) -> None:
    if found is not None:
        for text in (found.prompt, found.negative_prompt, found.sampler, found.model, found.model_hash, found.tool):
            assert text is None or isinstance(text, str)
        for number in (found.steps, found.seed, found.guidance_scale, *(found.size or ())):
            assert number is None or isinstance(number, int | float)
        assert all(isinstance(part, str) for pair in found.loras + found.others for part in pair)
        json.dumps([found.prompt, found.others, found.loras], ensure_ascii=False).encode()


@given(text=st.text(max_size=200), at=st.integers(0, 400))
def test_any_text_is_read_or_is_nothing(text: str, at: int) -> None:
    text = text.encode("utf-8", "ignore").decode().replace("\0", "")
    check(read_parameters(png(parameters=A1111[:at] + text + A1111[at:])))


@settings(deadline=None)
@given(junk=st.binary(max_size=60), kind=st.sampled_from(["PNG", "JPEG", "WEBP"]), at=st.integers(0, 900))
def test_any_damage_to_a_file_leaves_parameters_nothing_or_a_refusal(junk: bytes, kind: str, at: int) -> None:
    whole = png(parameters=A1111) if kind == "PNG" else with_comment(kind, b"ASCII\0\0\0" + A1111.encode())
    with suppress(BadPicture):
        check(read_parameters(whole[:at] + junk + whole[at + len(junk) :]))
    with suppress(BadPicture):
        check(read_parameters(whole[:at]))
