"""SharedCall: the one call of the model in a step, for all images of a running batch."""

import logging
from dataclasses import replace

import torch
from torch import Tensor

from generation.diffusion.engine.batch import BatchKey, ImageRun
from generation.diffusion.engine.caps import RowCaps
from generation.diffusion.failures import attempt, is_out_of_memory
from generation.diffusion.families.base import Conditioning
from generation.diffusion.loading.model import LoadedModel
from generation.diffusion.transfer import to_device

log = logging.getLogger(__name__)

MOST_PADDING = 5  #: one row in so many may be padding
_SAVED_PADDING = 64  #: rows of padding that a time of full calls may save up for later, at most


class SharedCall:
    """Lays images out in rows, calls the model, and puts guidance together again."""

    def __init__(self, model: LoadedModel, caps: RowCaps, *, reproducible: bool) -> None:
        """`reproducible` fills every call up to the cap, as DiffusionEngine says."""
        self._model = model
        self._caps = caps
        self._reproducible = reproducible
        self._credit = 0  #: rows that were sent beyond MOST_PADDING times the padded ones
        self.calls = 0
        self.rows = 0  #: sent so far, padding among them
        self.padded_rows = 0
        self.last_rows = 0  #: of the last call, padding among them

    def predict(self, key: BatchKey, images: list[ImageRun]) -> list[Tensor]:
        """Return the guided prediction [1, C, h, w] of each image.

        Rows are [negative rows of guided images] + [positive rows of all], the guided ones first.
        """
        guided = [image for image in images if image.conditioning.negative is not None]
        positives = [*guided, *(image for image in images if image.conditioning.negative is None)]
        order = [*guided, *positives]
        inputs = {id(image): image.denoiser_input() for image in images}
        latents = torch.cat([inputs[id(image)] for image in order])
        timesteps = self._to_device([image.timestep for image in order], torch.float32)
        negatives = [c for image in guided if (c := image.conditioning.negative) is not None]
        conditioning = Conditioning.stack([*negatives, *(image.conditioning.positive for image in positives)])
        conditioning = self._with_loras(conditioning, order)
        noise = self._halved(key, latents, timesteps, conditioning)
        count = len(guided)
        predictions = list(noise[count:].chunk(len(positives)))
        if guided:
            precise = torch.promote_types(noise.dtype, torch.float32)
            negative, positive = noise[:count].to(precise), noise[count : 2 * count].to(precise)
            scale = self._to_device([image.guidance_scale for image in guided], precise)[:, None, None, None]
            together = self._model.family.guide(negative, positive, scale)
            predictions[:count] = together.chunk(count)
        by_image = dict(zip(map(id, positives), predictions, strict=True))
        return [by_image[id(image)] for image in images]

    def _with_loras(self, conditioning: Conditioning, order: list[ImageRun]) -> Conditioning:
        """Put the LoRAs of these rows into their columns; a call in which no row has any knows nothing of them."""
        wanted = [image.run.loras for image in order]
        adapters = {adapter.sha256: adapter for loras in wanted for adapter, _ in loras}
        if not adapters:
            return conditioning
        columns = self._model.adapters.columns
        columns.place(list(adapters.values()), all_columns=self._reproducible)
        rows = [{adapter.sha256: weight for adapter, weight in loras} for loras in wanted]
        return replace(conditioning, loras=columns.weights(rows))

    def _to_device(self, numbers: list[float], dtype: torch.dtype) -> Tensor:
        return to_device(torch.tensor(numbers, dtype=dtype), self._model.device)

    def _halved(self, key: BatchKey, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """Make the call; when memory runs out, the same rows in halves, and fewer rows from now on."""
        rows = len(latents)
        if rows <= self._caps.cap(key):
            predicted = attempt(
                lambda: self._padded(key, latents, timesteps, conditioning),
                caught=lambda error: is_out_of_memory(error) and rows > 1,
            )
            if predicted is not None:
                return predicted
            self._model.release_memory()
            self._caps.lower(key, (rows + 1) // 2)
            log.warning("out of memory with %d rows of %s; now at most %d", rows, key[0], self._caps.cap(key))
        half = (rows + 1) // 2
        parts = (slice(None, half), slice(half, None))
        return torch.cat([self._halved(key, latents[p], timesteps[p], conditioning.rows(p)) for p in parts])

    def _padded(self, key: BatchKey, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """Make the bare call, filled up to a better number of rows by repeating the last one."""
        rows = len(latents)
        size = self._padded_size(key, rows, graphs=conditioning.loras is None)
        if size > rows:
            index = torch.tensor([*range(rows), *[rows - 1] * (size - rows)], device=latents.device)
            latents, timesteps, conditioning = latents[index], timesteps[index], conditioning.rows(index)
        self.calls += 1
        self.rows += size
        self.padded_rows += size - rows
        self.last_rows = size
        return self._model.predict_noise(latents, timesteps, conditioning)[:rows]

    def _padded_size(self, key: BatchKey, rows: int, *, graphs: bool) -> int:
        """Choose how many rows to call the model with.

        The next row count with a graph, where the call may have one, as long as at most one in MOST_PADDING of all rows
        so far is padding: each row earns 1, each padded one costs MOST_PADDING, and the account is never overdrawn.
        """
        cap = self._caps.cap(key)
        if self._reproducible:
            return cap
        buckets = self._model.row_buckets(key) if graphs else ()
        size = min((bucket for bucket in buckets if rows <= bucket <= cap), default=rows)
        credit = self._credit + size - MOST_PADDING * (size - rows)
        if credit < 0:
            size, credit = rows, self._credit + rows
        self._credit = min(credit, MOST_PADDING * _SAVED_PADDING)
        return size
