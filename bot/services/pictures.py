"""The one door through which the bytes of a finished picture leave: each is judged for the place that it goes to."""

import asyncio
import io
import logging
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from PIL import Image

from bot.errors import CheckFault, Held, PictureGone, StorageFault, UnknownJob
from bot.records import ImageRecord, JobRecord
from bot.services.answers import Picture, Shown, picture_filename
from bot.services.policies import Verdict, Where
from bot.services.safety import Safety
from bot.storage.image_files import ImageFiles
from generation.inputs import InputPicture

log = logging.getLogger(__name__)


class Pictures:
    """Reads the files of finished pictures. Raises PictureGone for those that are kept no longer, StorageFault."""

    def __init__(self, *, files: ImageFiles, safety: Safety) -> None:
        self._files = files
        self.safety = safety

    async def shown(self, job: JobRecord, where: Where) -> Shown:
        """A job's pictures as that place may see them, in order; none while it is not rendered. Raises CheckFault.

        What was not looked at before is now, and what may not be shown may be held back from now on.
        """
        pngs = await self._read(image for image in job.images if not image.is_held)
        judged = await self.safety.judged(job, pngs, where)
        seen = [image for image in judged.job.images if judged.verdicts[image.id] is not Verdict.HOLD]
        held = sum(image.is_held for image in judged.job.images)
        pictures = tuple(
            _picture(job, image, pngs[image.id], is_spoiler=judged.verdicts[image.id] is Verdict.SPOILER)
            for image in seen
        )
        return Shown(job=judged.job, pictures=pictures, held=held, left_out=len(job.images) - len(seen) - held)

    async def one(self, job: JobRecord, index: int, where: Where) -> Picture:
        """One of a job's pictures, to draw from there. Raises Held where it may not be shown there, CheckFault."""
        image = job.images[index]
        shown = await self.shown(replace(job, images=(image,)), where)
        if not shown.pictures:
            raise Held
        if image.decision is not None:  # a person has let it through, whatever the check says of it
            picture = await asyncio.to_thread(InputPicture.decode, shown.pictures[0].png)
            self.safety.trust(picture.sha256, where)
        return shown.pictures[0]

    async def first(self, job: JobRecord, where: Where) -> Picture | None:
        """A job's first picture; None where there is none, none that can be read, or none for that place."""
        try:
            shown = await self.shown(replace(job, images=job.images[:1]), where)
        except (PictureGone, StorageFault, CheckFault) as error:
            log.info("no picture of job %s is shown: %s", job.id, error)
            return None
        return next(iter(shown.pictures), None)

    async def to_review(self, job: JobRecord, image_id: UUID) -> Picture:
        """A picture that was held back, for those who decide about it and nobody else. Raises UnknownJob."""
        image = next((image for image in job.images if image.id == image_id and image.held_at is not None), None)
        if image is None:
            raise UnknownJob
        pngs = await self._read([image])
        return _picture(job, image, pngs[image.id], is_spoiler=True)

    async def with_looks(self, job: JobRecord) -> JobRecord:
        """The job with the looks of all its pictures, to recognise them by. Raises CheckFault."""
        unknown = [image for image in job.images if image.look is None]
        return await self.safety.with_looks(job, await self._read(unknown)) if unknown else job

    async def equal(self, first: JobRecord, second: JobRecord) -> tuple[bool, ...] | None:
        """For each of the pictures of two jobs, whether every pixel is the same; None: it cannot be told."""
        if not first.images or not second.images:
            return None
        try:
            pngs = [list((await self._read(job.images)).values()) for job in (first, second)]
            return await asyncio.to_thread(_pixels_equal, *pngs)
        except (PictureGone, StorageFault, OSError):  # OSError: Pillow's for a file that is no picture
            return None

    async def _read(self, images: Iterable[ImageRecord]) -> dict[UUID, bytes]:
        images = tuple(images)
        if any(image.removed_at is not None for image in images):
            raise PictureGone
        return {image.id: await self._files.read(image.file, image.sha256) for image in images}


def _picture(job: JobRecord, image: ImageRecord, png: bytes, *, is_spoiler: bool) -> Picture:
    return Picture(
        id=image.id,
        filename=picture_filename(job.request.texts_of(image.seed)[0], image.seed),
        png=png,
        seed=image.seed,
        width=image.width,
        height=image.height,
        is_spoiler=is_spoiler,
    )


def _pixels_equal(first: list[bytes], second: list[bytes]) -> tuple[bool, ...]:
    """Slow: all of them are decoded."""
    return tuple(_decoded(one) == _decoded(other) for one, other in zip(first, second, strict=False))


def _decoded(png: bytes) -> tuple[tuple[int, int], bytes]:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    return image.size, image.tobytes()
