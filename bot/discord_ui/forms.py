"""The forms that members fill in. Discord keeps what was typed; which job it is about is in the form's custom id."""

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias
from uuid import uuid4

import discord
from discord import ui

from bot.discord_ui import private
from bot.discord_ui.inputs import LEAST_OFFERED
from bot.errors import StaleButton
from bot.services.remakes import Edit
from generation.errors import InvalidRequest
from generation.request import MAX_PROMPT

MOST_TYPED = 4000  #: characters of a form's field, Discord's limit
MOST_OPTIONS = 25  #: of a list, Discord's limit
_MOST_OPEN = 1000  #: forms that are remembered; nobody types in so many at once
_OPEN_FOR = 3600.0  #: seconds; Discord does not say when a form is closed without being sent

#: What a sent form does.
Send: TypeAlias = Callable[[discord.Interaction, Any], Awaitable[None]]


class Forms:
    """Opens forms, and knows which are open: after a restart nobody knows them."""

    def __init__(self) -> None:
        self._open: deque[str] = deque(maxlen=_MOST_OPEN)

    async def open(self, interaction: discord.Interaction, form: "Form") -> None:
        """Show it to whoever has just pressed something, as the answer."""
        self._open.append(form.custom_id)
        form.forget = self._forget
        await interaction.response.send_modal(form)

    def knows(self, interaction: discord.Interaction) -> bool:
        """Whether the form that was sent is one that was opened here."""
        return str(dict(interaction.data or {}).get("custom_id")) in self._open

    def _forget(self, custom_id: str) -> None:
        with suppress(ValueError):  # so many were opened since that it is forgotten already
            self._open.remove(custom_id)


class Form(ui.Modal):
    """A form whose errors are told as everywhere else, and that is known for an hour."""

    def __init__(self, title: str, doing: str) -> None:
        super().__init__(title=title, timeout=_OPEN_FOR, custom_id=f"form:{uuid4().hex}")
        self._doing = doing
        self.forget: Callable[[str], None] = lambda _: None

    async def on_timeout(self) -> None:
        """Nobody has sent it: discord.py forgets it now."""
        self.forget(self.custom_id)

    async def on_error(self, interaction: discord.Interaction, error: Exception, /) -> None:
        """Whatever a sent form raises."""
        await private.answer(interaction, error, doing=self._doing)


class EditForm(Form):
    """Words, strength and mask of a result, filled with what was. A text too long for a form's field stays as it is."""

    def __init__(self, *, prompt: str, negative_prompt: str, send: Send, doing: str) -> None:
        super().__init__("Edit", doing)
        self._send = send
        self._prompt = _text("prompt", prompt, required=True)
        self._negative = _text("negative_prompt", negative_prompt, required=False)
        self._strength = ui.TextInput[Any](
            custom_id="strength", required=False, max_length=10, placeholder="such as 0.6"
        )
        self._mask = ui.FileUpload[Any](custom_id="mask", required=False, max_values=1)
        self._keeps_negative = len(negative_prompt) > MOST_TYPED
        self.add_item(ui.Label(text="Prompt", component=self._prompt))
        self.add_item(ui.Label(text="Negative prompt", component=self._negative))
        said = "0.05 to 1. Left empty, and without a mask, it is drawn anew with the same seed."
        self.add_item(ui.Label(text="Strength of the change", description=said, component=self._strength))
        said = "A picture of the same shape that is white where it is drawn anew."
        self.add_item(ui.Label(text="Mask", description=said, component=self._mask))

    async def on_submit(self, interaction: discord.Interaction, /) -> None:
        """It was sent."""
        masks = self._mask.values
        edit = Edit(
            prompt=self._prompt.value or None,
            negative_prompt=None if self._keeps_negative and not self._negative.value else self._negative.value,
            strength=strength(self._strength.value),
        )
        await self._send(interaction, (edit, masks[0] if masks else None))


class PictureForm(Form):
    """What to make of a picture of anybody's, and of which one where there are several."""

    def __init__(self, title: str, *, prompt: str, strength: float, pictures: int, send: Send, doing: str) -> None:
        super().__init__(title, doing)
        self._send = send
        self._prompt = _text("prompt", prompt[:MOST_TYPED], required=True)
        self._usual = strength
        self._strength = _number(default=f"{strength:g}")
        numbers = range(min(pictures, MOST_OPTIONS))
        options = [discord.SelectOption(label=f"Picture {n + 1}", value=str(n), default=n == 0) for n in numbers]
        self._which = ui.Select[Any](custom_id="picture", options=options)
        self.add_item(ui.Label(text="Prompt", description="What the new picture shows", component=self._prompt))
        said = "0.05 to 1: how much the picture is changed"
        self.add_item(ui.Label(text="Strength", description=said, component=self._strength))
        if pictures > 1:
            self.add_item(ui.Label(text="Picture", component=self._which))

    async def on_submit(self, interaction: discord.Interaction, /) -> None:
        """It was sent."""
        chosen = self._which.values[0] if self._which.values else "0"
        if chosen not in [option.value for option in self._which.options]:
            raise StaleButton  # made up
        given = strength(self._strength.value)
        await self._send(interaction, (self._prompt.value, self._usual if given is None else given, int(chosen)))


def strength(typed: str) -> float | None:
    """The number somebody typed; None for nothing. Raises InvalidRequest."""
    if not typed.strip():
        return None
    try:
        return float(typed.strip().replace(",", "."))
    except ValueError:
        raise InvalidRequest("strength", "range", typed, least=LEAST_OFFERED, most=1) from None


def _number(*, default: str | None = None, placeholder: str | None = None) -> ui.TextInput[Any]:
    return ui.TextInput(custom_id="strength", required=False, max_length=10, default=default, placeholder=placeholder)


def _text(custom_id: str, before: str, *, required: bool) -> ui.TextInput[Any]:
    fits = len(before) <= MOST_TYPED
    return ui.TextInput(
        custom_id=custom_id,
        style=discord.TextStyle.paragraph,
        default=before if fits and before else None,
        placeholder=None if fits else "Too long for a form: left empty, it stays as it is",
        required=required and fits,
        max_length=min(MOST_TYPED, MAX_PROMPT),
    )
