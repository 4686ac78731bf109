"""New pictures from a picture: one that a member gives, or one of a finished job.

Everything slow is done before the job is asked for: each method returns a Wish, which `ImageService.imagine` takes.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.errors import NoResult, UnknownJob
from bot.records import ImageRecord, JobRecord, Member
from bot.services.images import ImageService
from bot.services.policies import Where
from generation.catalog import Canvas, DrawingOptions, random_seed
from generation.errors import InvalidRequest
from generation.inline_parameters import applied
from generation.inputs import InputPicture, require_same_ratio
from generation.job import JobId
from generation.reframing import offered, reframed
from generation.request import SYNTAX, GenerationRequest, Reframing


class Variation(StrEnum):
    """How much another picture differs from the one it is made from."""

    SUBTLE = "subtle"
    STRONG = "strong"

    @property
    def strength(self) -> float:
        """Of the change."""
        return 0.35 if self is Variation.SUBTLE else 0.7


class Enlargement(StrEnum):
    """How many times larger each side gets."""

    TWICE = "2x"
    FOUR_TIMES = "4x"

    @property
    def factor(self) -> int:
        """The number."""
        return int(self.removesuffix("x"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is to be asked for: a request, the pictures it begins with, and what it is made from."""

    request: GenerationRequest
    pictures: tuple[InputPicture, ...] = ()
    parent: JobId | None = None
    action: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """What a member has changed. None: as it was; for the strength: not given."""

    prompt: str | None = None
    negative_prompt: str | None = None
    strength: float | None = None


class Remakes:
    """What can be made from a picture. Every method raises Refusal, and for a job's picture UnknownJob, PictureGone,
    Held, CheckFault."""

    def __init__(self, images: ImageService, *, new_seed: Callable[[], int] = random_seed) -> None:
        self._images = images
        self._new_seed = new_seed

    async def begun_with(
        self,
        options: DrawingOptions,
        source: bytes,
        mask: bytes | None = None,
        *,
        parent: JobId | None = None,
        action: str | None = None,
    ) -> Wish:
        """A picture from these files, in the shape of the source unless another is named."""
        picture = await self._images.inputs.decode(source)
        cover = None if mask is None else await self._images.inputs.decode(mask, role="mask")
        return self._wish(options, picture, cover, parent=parent, action=action)

    async def enlarged(self, options: DrawingOptions, source: bytes) -> Wish:
        """Somebody's picture, twice as large."""
        picture = await self._images.inputs.decode(source)
        spec = self._images.catalog.get(options.model)
        options = spec.larger(options, (picture.width, picture.height), Enlargement.TWICE.factor)
        return self._wish(options, picture, action=f"upscale_{Enlargement.TWICE}")

    async def job(self, job_id: JobId, member: Member) -> JobRecord:
        """The job, if it has pictures and the member may see it. Raises NoResult."""
        record = await self._images.job(job_id)
        if not member.is_where(record):
            raise UnknownJob
        if not record.images:
            raise NoResult
        return record

    async def vary(self, job_id: JobId, index: int, variation: Variation, member: Member) -> Wish:
        """Pictures that are somewhat like this one, as many as the job had."""
        record, picture = await self._picture(job_id, index, member)
        options = replace(self._anew(record, index), strength=variation.strength)
        return self._wish(options, picture, parent=record.id, action=f"vary_{variation}")

    async def upscale(self, job_id: JobId, index: int, enlargement: Enlargement, member: Member) -> Wish:
        """The same picture, larger."""
        record, picture = await self._picture(job_id, index, member)
        options = self._larger(record, index, enlargement)
        return self._wish(options, picture, parent=record.id, action=f"upscale_{enlargement}")

    async def enlargements(self, record: JobRecord, member: Member) -> tuple[Enlargement, ...]:
        """What its model draws well of a job's pictures, and its member may have.

        A model with a square canvas draws its one thing again in every tile.
        """
        image, possible = record.images[0], list[Enlargement]()
        if self._images.catalog.get(record.request.model).canvas is Canvas.SQUARE:
            return ()
        largest = (await self._images.usage(member)).limits["largest_size"].value
        for one in Enlargement:
            options = replace(self._larger(record, 0, one), source=image.sha256)
            with suppress(InvalidRequest):
                if largest is None or max(self._images.catalog.request(options).size) <= largest:
                    possible.append(one)
        return tuple(possible)

    def _larger(self, record: JobRecord, index: int, enlargement: Enlargement) -> DrawingOptions:
        """The options for one of a job's pictures that is to be enlarged."""
        image, options = record.images[index], self._anew(record, index)
        options = replace(options, strength=None, count=1, hires=None, hires_strength=None, tiles=False)
        size = (image.width, image.height)
        return self._images.catalog.get(record.request.model).larger(options, size, enlargement.factor)

    async def edit(self, job_id: JobId, index: int, edit: Edit, mask: bytes | None, member: Member) -> Wish:
        """With other words: from this picture where a strength or a mask is given, else anew from its seed."""
        record = await self.job(job_id, member)
        options = DrawingOptions.of(record.request, seed=_one(record, index).seed)
        # What was left open is drawn again from this picture's seed, so it comes out as before where nothing changed.
        options = replace(options, count=1, drawn=(), syntax=SYNTAX)
        if edit.negative_prompt is not None:
            options = replace(options, negative_prompt=edit.negative_prompt)
        strength = edit.strength
        if edit.prompt is not None:
            options = replace(options, prompt=edit.prompt, strength=strength)
            options = applied(options, self._images.catalog, own=() if strength is None else ("strength",))
            strength = options.strength
        if strength is None and mask is None:
            options = replace(options, strength=record.request.strength)
            return Wish(request=self._images.catalog.request(options), parent=record.id, action="edit")
        _, picture = await self._picture(job_id, index, member)
        cover = None if mask is None else await self._images.inputs.decode(mask, role="mask")
        options = replace(options, mask=None, strength=strength, reframing=None)
        return self._wish(options, picture, cover, parent=record.id, action="edit")

    def more(self, record: JobRecord) -> tuple[Reframing, ...]:
        """The further ways that a job's model does well."""
        spec = self._images.catalog.get(record.request.model)
        return offered(spec, record.images[0].width, record.images[0].height)

    async def reframe(self, job_id: JobId, index: int, way: Reframing, member: Member) -> Wish:
        """More around this picture, or the same in other colours."""
        record = await self.job(job_id, member)
        _one(record, index)
        spec = self._images.catalog.get(record.request.model)
        if way not in offered(spec, record.images[index].width, record.images[index].height):
            raise InvalidRequest("way", "choice", way, choices=self.more(record), holds_for=spec.name)
        png = (await self._images.pictures.one(record, index, Where.of(member))).png
        prepared = await asyncio.to_thread(reframed, way, png, spec)
        source = prepared.source
        options = replace(
            self._anew(record, index),
            width=source.width,
            height=source.height,
            strength=prepared.strength,
            count=1,
            reframing=way,
            hires=None,
            hires_strength=None,
            tiles=False,
        )
        return self._wish(options, source, prepared.mask, parent=record.id, action=str(way))

    async def _picture(self, job_id: JobId, index: int, member: Member) -> tuple[JobRecord, InputPicture]:
        record = await self.job(job_id, member)
        _one(record, index)
        picture = await self._images.pictures.one(record, index, Where.of(member))
        return record, await self._images.inputs.decode(picture.png)

    def _anew(self, record: JobRecord, index: int) -> DrawingOptions:
        """What one of a job's pictures was asked for, with a new seed and nothing that it began with."""
        options = DrawingOptions.of(record.request, seed=self._new_seed())
        prompt, negative = record.request.texts_of(record.images[index].seed)
        return replace(options, prompt=prompt, negative_prompt=negative, mask=None, reframing=None)

    def _wish(
        self,
        options: DrawingOptions,
        source: InputPicture,
        mask: InputPicture | None = None,
        *,
        parent: JobId | None = None,
        action: str | None = None,
    ) -> Wish:
        if mask is not None:
            require_same_ratio(source, mask)
        shape = None if options.width or options.height else options.aspect or source.aspect
        pictures = (source,) if mask is None else (source, mask)
        options = replace(
            options,
            source=source.sha256,
            mask=mask and mask.sha256,
            aspect=shape,
            # What is asked for in the same words is not written down twice.
            said=tuple(words for picture in pictures for words in picture.says if words != options.prompt),
            said_negative=", ".join(filter(None, (picture.says_negative for picture in pictures))),
        )
        return Wish(request=self._images.catalog.request(options), pictures=pictures, parent=parent, action=action)


def _one(record: JobRecord, index: int) -> ImageRecord:
    """One of a job's pictures. Raises InvalidRequest for a number that nobody was offered."""
    if not 0 <= index < len(record.images):
        raise InvalidRequest("picture", "range", index + 1, least=1, most=len(record.images))
    return record.images[index]
