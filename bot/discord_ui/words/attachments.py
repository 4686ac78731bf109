"""Files that go up with a message. The one place that turns a picture into an upload."""

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import discord
from PIL import Image

from bot.services.answers import Picture
from generation.metadata import enlarged

MAX_ALT_TEXT = 1024  #: characters of a file's description, Discord's limit
TINY = 256  #: pixels of the longer side; what is smaller looks like a stamp among messages
TINY_FACTOR = 4
BLOCKS = 12  #: a side, of an unfinished picture of which nothing is to be recognised
THUMBNAIL = 160  #: pixels of the longer side


@dataclass(frozen=True, slots=True)
class LighterForm:
    """A way to send a picture in fewer bytes than its PNG."""

    words: str  #: as members read it
    format: str  #: Pillow's name
    quality: int
    shrink: int = 1  #: how many times smaller each side gets


#: What is tried, in this order, where Discord takes no files as large as the originals.
LIGHTER_FORMS = (
    LighterForm("as WebP", "WEBP", 80),
    LighterForm("as JPEG", "JPEG", 70),
    LighterForm("as JPEG at half the size", "JPEG", 70, shrink=2),
    LighterForm("as JPEG at a quarter of the size", "JPEG", 70, shrink=4),
)


def shown_larger(width: int, height: int) -> int:
    """How many times larger a picture is shown than it was drawn."""
    return TINY_FACTOR if max(width, height) < TINY else 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """A file to upload."""

    filename: str
    data: bytes = field(repr=False)
    alt_text: str | None = None
    is_spoiler: bool = False  #: seen by those only who ask for it

    @classmethod
    def picture(cls, picture: Picture, prompt: str) -> Self:
        """A finished picture, a tiny one enlarged; its alt text says what was asked for. Slow."""
        factor = shown_larger(picture.width, picture.height)
        data = enlarged(picture.png, factor) if factor > 1 else picture.png
        alt_text = f"{prompt} (seed {picture.seed})"
        return cls(filename=picture.filename, data=data, alt_text=alt_text, is_spoiler=picture.is_spoiler)

    @classmethod
    def preview(cls, jpeg: bytes, prompt: str, *, is_hidden: bool = False) -> Self:
        """What a picture looks like while it is drawn, in the size that it will be shown in: nothing jumps then.

        `is_hidden`: as BLOCKS of colour, since nobody has looked at it yet.
        """
        picture = Image.open(io.BytesIO(jpeg))
        if (factor := shown_larger(*picture.size)) > 1 or is_hidden:
            out = io.BytesIO()
            size = (picture.width * factor, picture.height * factor)
            way = Image.Resampling.BICUBIC
            if is_hidden:
                picture, way = picture.resize((BLOCKS, BLOCKS), Image.Resampling.BOX), Image.Resampling.NEAREST
            picture.resize(size, way).save(out, "JPEG", quality=75)
            jpeg = out.getvalue()
        return cls(filename="preview.jpg", data=jpeg, alt_text=f"Unfinished: {prompt}")

    @classmethod
    def thumbnail(cls, filename: str, png: bytes, prompt: str) -> Self:
        """A small JPEG of a picture. Slow. Raises OSError for what is no picture."""
        picture, out = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        picture.save(out, "JPEG", quality=80)
        return cls(filename=filename, data=out.getvalue(), alt_text=prompt)

    @classmethod
    def text(cls, filename: str, text: str) -> Self:
        """Words too long for a message."""
        return cls(filename=filename, data=text.encode())

    def lighter(self, form: "LighterForm") -> "Attachment":
        """The same picture in fewer bytes, for a server that takes no larger files. Slow: not for the event loop."""
        picture, out = Image.open(io.BytesIO(self.data)).convert("RGB"), io.BytesIO()
        if form.shrink > 1:
            picture = picture.reduce(form.shrink)
        picture.save(out, form.format, quality=form.quality)
        filename = f"{Path(self.filename).stem}.{form.format.lower()}"
        return replace(self, filename=filename, data=out.getvalue())

    def to_file(self) -> discord.File:
        """The upload; a new one for each attempt, since sending consumes it."""
        text = self.alt_text
        if text is not None and len(text) > MAX_ALT_TEXT:
            text = text[: MAX_ALT_TEXT - 1] + "…"
        return discord.File(io.BytesIO(self.data), filename=self.filename, description=text, spoiler=self.is_spoiler)
