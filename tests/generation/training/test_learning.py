"""Runs at toy size: they learn, stop and go on, and end as a folder that diffusers draws with."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    AutoPipelineForImage2Image,
    AutoPipelineForInpainting,
    StableDiffusionPipeline,
)
from PIL import Image

from generation.reading import Reading
from generation.training import judging
from generation.training.__main__ import main
from generation.training.artwork import Collection
from generation.training.autoencoder import VaeRun, compose, edges, psnr, reconstruct, whiten
from generation.training.checkpoint import load_checkpoint, save_checkpoint
from generation.training.concepts import CONCEPTS
from generation.training.crew import Crew
from generation.training.diffusion import DiffusionRun, DiffusionSettings, Networks, encode, most_alike, warm_start
from generation.training.export import export_pipeline
from generation.training.learner import LearnerSettings, train
from generation.training.networks import SIZES, NetworkSizes, make_text_encoder, make_unet, make_vae
from generation.training.pace import Budget
from generation.training.reading_file import save_reading
from generation.training.tokenizer import train_tokenizer
from generation.training.training_set import TrainingSet, from_artwork
from generation.training.user_folder import from_folder

TOY = NetworkSizes(
    pixels=16,
    vae_channels=(8, 8),
    unet_channels=(16, 16),
    text_width=16,
    text_layers=1,
    tokens=16,
    vocabulary=700,
)


@pytest.fixture(scope="module")
def data(collection: Collection) -> TrainingSet:
    return from_artwork(collection, seed=0, concepts=CONCEPTS[:10])


def new_run(data: TrainingSet, *, steps: int) -> DiffusionRun:
    torch.manual_seed(0)
    rng = random.Random(0)
    tokenizer = train_tokenizer([row.caption(rng) for row in data.rows], vocabulary=TOY.vocabulary, length=TOY.tokens)
    vae = make_vae(TOY)
    settings = DiffusionSettings(budget=Budget(steps=steps), batch=4, peak_rate=2e-2, short_tokens=8)
    networks = Networks(
        tokenizer=tokenizer, text_encoder=make_text_encoder(TOY, tokenizer), unet=make_unet(TOY), vae=vae
    )
    few = TrainingSet(pictures=data.pictures[:64], rows=data.rows[:64])
    return DiffusionRun(settings, Crew(), networks, few, encode(vae, few, device="cpu"))


def weights(run: DiffusionRun) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in (*run.parameters, *run.ema_parameters)]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_run_that_was_stopped_and_goes_on_equals_one_that_was_not(data: TrainingSet, tmp_path: Path):
    whole = new_run(data, steps=6)
    for _ in range(6):
        whole.learn()
    first = new_run(data, steps=6)
    for _ in range(4):
        first.learn()
    save_checkpoint(tmp_path / "checkpoint.pt", first.state())
    second = new_run(data, steps=6)
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert state is not None
    second.restore(state)
    while second.progress < 1:
        second.learn()
    assert second.step == 6
    assert same(weights(whole), weights(second))
    assert not list(tmp_path.glob("*.partial"))


def test_short_captions_grow_to_full_length_late(data: TrainingSet):
    run = new_run(data, steps=10)
    lengths: list[int] = []
    while run.progress < 1:
        run.learn()
        lengths.append(run.networks.tokenizer.model_max_length)
    assert lengths == [8] * 7 + [16] * 3


def test_a_batch_depends_on_its_step_alone(data: TrainingSet):
    one, other = new_run(data, steps=9), new_run(data, steps=9)
    one.step = other.step = 5
    assert one.batch().captions == other.batch().captions
    assert torch.equal(one.batch().noise, other.batch().noise)
    other.step = 6
    assert not torch.equal(one.batch().noise, other.batch().noise)


def test_learning_lowers_the_error(data: TrainingSet):
    run = new_run(data, steps=100)
    batch = run.batch()
    run.batch = lambda: batch
    errors = [run.learn() for _ in range(15)]
    assert errors[-1] < errors[0] * 0.95


def test_a_warm_start_takes_over_what_fits(data: TrainingSet, tmp_path: Path):
    old = new_run(data, steps=3)
    old.learn()
    export_pipeline(old.pipeline(), tmp_path, tokens=TOY.tokens)
    new = new_run(data, steps=3)
    warm_start(new, tmp_path)
    assert all(
        torch.allclose(a, b, atol=2e-3) for a, b in zip(old.ema_parameters, new.parameters, strict=True)
    )  # half precision
    assert same([p.detach() for p in new.parameters], new.ema_parameters)


def test_each_noise_goes_with_the_picture_it_looks_most_like():
    candidates = torch.randn(2, 3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    assert most_alike(candidates, candidates[[0, 1], [2, 1]]).tolist() == [2, 1]
    loud = candidates * torch.tensor([1.0, 1.0, 5.0]).view(1, 3, 1, 1, 1)  # how strong a picture is does not matter
    noise = torch.randn(400, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    shares = most_alike(loud[:1].expand(400, -1, -1, -1, -1), noise).bincount(minlength=3) / 400
    assert shares.min() > 0.15


def test_noise_and_picture_belong_together_only_where_the_picture_cannot_be_seen(data: TrainingSet):
    run = new_run(data, steps=4)
    found: list[torch.Tensor] = []
    for run.step in range(20):
        batch = run.batch()
        closeness = (batch.clean.flatten(1) * batch.noise.flatten(1)).sum(1) / batch.clean.flatten(1).norm(dim=1)
        found.append(closeness[batch.timesteps >= run.settings.coupled_from])
    assert torch.cat(found).mean() > 0.0
    again = run.batch()
    assert torch.equal(batch.clean, again.clean)
    assert batch.captions == again.captions


def test_the_vae_learns_and_its_latents_are_whitened(collection: Collection, tmp_path: Path):
    torch.manual_seed(0)
    settings = LearnerSettings(budget=Budget(steps=30), batch=16, peak_rate=4e-3)
    run = VaeRun(settings, Crew(), make_vae(TOY), collection.pictures, torch.ones(len(collection.pictures)))
    pictures = compose(torch.from_numpy(collection.pictures[:64]), torch.ones(())) * 2 - 1
    before = psnr(pictures, reconstruct(run.vae, pictures))
    train(run, tmp_path)
    assert list((tmp_path / "grids").glob("*.png"))
    after = psnr(pictures, returned := reconstruct(run.vae, pictures))
    assert after > before + 1
    whiten(run.vae, pictures)
    assert torch.allclose(reconstruct(run.vae, pictures), returned, atol=1e-3)
    latents = run.vae.encode(pictures).latent_dist.mean
    assert torch.allclose(latents.std((0, 2, 3)), torch.ones(4), atol=0.02)
    assert torch.allclose(latents.mean((0, 2, 3)), torch.zeros(4), atol=0.02)


def test_a_vae_learns_another_ones_latents(collection: Collection, tmp_path: Path):
    def learnt(*, teacher: AutoencoderKL | None) -> float:
        """Train a VAE, and return how far its latents are from its predecessor's."""
        torch.manual_seed(2)
        settings = LearnerSettings(budget=Budget(steps=60), batch=16, peak_rate=4e-3)
        weights = torch.ones(len(collection.pictures))
        run = VaeRun(settings, Crew(), make_vae(TOY), collection.pictures, weights, teacher=teacher)
        train(run, tmp_path / str(teacher is not None))
        pictures = compose(torch.from_numpy(collection.pictures[:64]), torch.ones(())) * 2 - 1
        with torch.no_grad():
            mine, wanted = (vae.encode(pictures).latent_dist.mean for vae in (run.vae, predecessor))
        return float((mine - wanted).square().mean() / wanted.var())

    torch.manual_seed(1)
    predecessor: Any = make_vae(TOY)
    before = [parameter.clone() for parameter in predecessor.parameters()]
    assert learnt(teacher=predecessor) < 0.5 * learnt(teacher=None)
    assert same(before, list(predecessor.parameters()))


def test_psnr_and_edges_of_a_known_picture():
    picture = torch.zeros(1, 3, 8, 8)
    assert psnr(picture, picture + 0.2) == pytest.approx(20.0, abs=1e-4)
    picture[..., 4:] = 1
    assert edges(picture)[0, 0, 0].tolist() == [False, False, False, True, True, False, False, False]


def test_the_export_is_a_model_that_diffusers_draws_with(data: TrainingSet, tmp_path: Path):
    run = new_run(data, steps=4)
    run.learn()
    export_pipeline(run.pipeline(), tmp_path / "model", tokens=TOY.tokens)
    save_reading(tmp_path / "model", {"things": [{"name": "banana"}]})
    files = {path.relative_to(tmp_path / "model").as_posix() for path in (tmp_path / "model").rglob("*.*")}
    assert {"tokenizer/vocab.json", "tokenizer/merges.txt", "tokenizer/tokenizer.json", "model_index.json"} <= files
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in (tmp_path / "model").rglob("*.*"))
    assert str(tmp_path) not in (tmp_path / "model/model_index.json").read_text("utf-8")
    assert Reading.load(tmp_path / "model/reading.json").read("Bananas!").text == "banana"

    pipeline: Any = StableDiffusionPipeline.from_pretrained(str(tmp_path / "model"), dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline.tokenizer.model_max_length == TOY.tokens
    drawn = pipeline("a banana", num_inference_steps=2, generator=torch.manual_seed(0)).images[0]
    assert drawn.size == (16, 16)
    to_image: Any = AutoPipelineForImage2Image.from_pipe(pipeline, dtype=torch.float32)
    assert to_image("a fox", image=drawn, strength=0.9, num_inference_steps=3).images[0].size == (16, 16)
    mask = Image.new("L", (16, 16), 0)
    mask.paste(255, (8, 0, 16, 16))
    inpaint: Any = AutoPipelineForInpainting.from_pipe(pipeline, dtype=torch.float32)
    painted = inpaint("a fox", image=drawn, mask_image=mask, num_inference_steps=3, height=16, width=16).images[0]
    assert painted.size == (16, 16)


def test_a_users_folder_is_read_with_its_captions(own_pictures: Path):
    mine = from_folder(own_pictures, 16)
    assert mine.pictures.shape == (6, 16, 16, 3)
    assert mine.rows[0].text == "disc number 0\na disc"
    with pytest.raises(ValueError, match="no picture"):
        from_folder(own_pictures.parent / "nowhere", 16)


def test_a_users_folder_becomes_a_model(own_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(SIZES, "small", TOY)
    monkeypatch.setattr(judging, "GRID_PROMPTS", ("a disc",))
    monkeypatch.setattr("generation.training.diffusion.GRID_PROMPTS", ("a disc",))
    common = ["--work", str(tmp_path / "work"), "--device", "cpu"]
    few = ["--steps", "3", "--batch", "2"]
    main(["dataset", *common, "--pictures", str(own_pictures)])
    main(["vae", *common, *few])
    main(["diffusion", *common, *few])
    main(["diffusion", *common, "--steps", "5", "--batch", "2"])  # goes on
    state = load_checkpoint(tmp_path / "work/diffusion/checkpoint.pt")
    assert state is not None
    assert state["step"] == 5
    main(["evaluate", *common])
    main(["export", *common])
    assert (tmp_path / "work/export/unet/diffusion_pytorch_model.safetensors").is_file()
    assert (tmp_path / "work/export/grid.png").is_file()
