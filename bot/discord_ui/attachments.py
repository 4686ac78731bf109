"""Files that go up with a message. The one place that turns a picture into an upload."""

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import discord
from PIL import Image

from bot.services.images import Picture

MAX_ALT_TEXT = 1024  #: characters of a file's description, Discord's limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """A file to upload."""

    filename: str
    data: bytes = field(repr=False)
    alt_text: str | None = None

    @classmethod
    def picture(cls, picture: Picture, prompt: str) -> Self:
        """A finished picture; whoever cannot see it hears what was asked for."""
        return cls(filename=picture.filename, data=picture.png, alt_text=f"{prompt} (seed {picture.seed})")

    @classmethod
    def preview(cls, jpeg: bytes, prompt: str) -> Self:
        """What a picture looks like while it is drawn."""
        return cls(filename="preview.jpg", data=jpeg, alt_text=f"Unfinished: {prompt}")

    @classmethod
    def text(cls, filename: str, text: str) -> Self:
        """Words too long for a message."""
        return cls(filename=filename, data=text.encode())

    def lighter(self) -> "Attachment":
        """The same picture in fewer bytes, for a server that takes no larger files. Slow: not for the event loop."""
        picture, out = Image.open(io.BytesIO(self.data)).convert("RGB"), io.BytesIO()
        picture.save(out, "WEBP", quality=80)
        return replace(self, filename=f"{Path(self.filename).stem}.webp", data=out.getvalue())

    def to_file(self) -> discord.File:
        """The upload; a new one for each attempt, since sending consumes it."""
        text = self.alt_text
        if text is not None and len(text) > MAX_ALT_TEXT:
            text = text[: MAX_ALT_TEXT - 1] + "…"
        return discord.File(io.BytesIO(self.data), filename=self.filename, description=text)
