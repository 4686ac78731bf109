"""A small bot for the playground's tests: every kind of thing that the real one does, and no pictures of its own."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import struct
import sys
import zlib
from typing import Any

import discord
import discord.gateway
import discord.http
import yarl
from discord import app_commands


def picture(width: int = 96, height: int = 96, colour: tuple[int, int, int] = (220, 30, 40)) -> bytes:
    """A PNG of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes(colour) * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Again(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"again:(?P<job>\d+)"):
    """A button that carries only a number and works after a restart."""

    def __init__(self, job: int) -> None:
        super().__init__(discord.ui.Button(label="Rerun", custom_id=f"again:{job}"))
        self.job = job

    @classmethod
    async def from_custom_id(cls, interaction: discord.Interaction, item: Any, match: Any, /) -> Again:
        return cls(int(match["job"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"again {self.job} for {interaction.user.display_name}", ephemeral=True)


class Form(discord.ui.Modal, title="A form"):
    words: discord.ui.TextInput[Form] = discord.ui.TextInput(label="Words", custom_id="words")

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"form says {self.words.value}")


class Edit(discord.ui.Modal, title="Edit picture"):
    words: discord.ui.Label[Edit] = discord.ui.Label(
        text="Words", component=discord.ui.TextInput(custom_id="words", default="as it is")
    )
    model: discord.ui.Label[Edit] = discord.ui.Label(
        text="Model",
        component=discord.ui.Select(
            custom_id="model",
            options=[
                discord.SelectOption(label="Tiny", value="tiny", default=True),
                discord.SelectOption(label="Large", value="large"),
            ],
        ),
    )
    mask: discord.ui.Label[Edit] = discord.ui.Label(
        text="Mask", component=discord.ui.FileUpload(custom_id="mask", required=False, max_values=2)
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        files = [
            f"{file.filename} {len(await file.read())} {file.width}x{file.height}"
            for file in self.mask.component.values
        ]
        await interaction.response.send_message(
            f"edit: {self.words.component.value} {self.model.component.values} {files}"
        )


class Write(discord.ui.View):
    @discord.ui.button(label="Write")
    async def write(self, interaction: discord.Interaction, _: discord.ui.Button[Write]) -> None:
        await interaction.response.send_modal(Form())


class Choice(discord.ui.View):
    """A select in a private message."""

    @discord.ui.select(
        custom_id="choice",
        placeholder="Choose one or two",
        max_values=2,
        options=[discord.SelectOption(label=name.title(), value=name) for name in ("tiny", "small", "large")],
    )
    async def choose(self, interaction: discord.Interaction, select: discord.ui.Select[Choice]) -> None:
        await interaction.response.edit_message(content=f"chosen: {', '.join(select.values)}", view=None)


class Panel(discord.ui.LayoutView):
    """Components V2: words, pictures, buttons and a select, on pages."""

    def __init__(self, page: int) -> None:
        super().__init__(timeout=None)
        self._page = page
        thumbnail = discord.ui.Thumbnail[Panel]("attachment://thumbnail.png", description="the first")
        gallery = discord.ui.MediaGallery[Panel](
            *(discord.MediaGalleryItem(f"attachment://{number}.png") for number in range(4))
        )
        row, menu = discord.ui.ActionRow[Panel](), discord.ui.ActionRow[Panel]()
        row.add_item(self._button("Next page", "panel:next", self._turn))
        menu.add_item(self._menu())
        self.add_item(
            discord.ui.Container[Panel](
                discord.ui.TextDisplay(f"## Page {page}"),
                discord.ui.Section("a red heart", "-# seed 7", accessory=thumbnail),
                discord.ui.Section("a fox", accessory=self._button("Open", "panel:open", self._open)),
                gallery,
                discord.ui.Separator(),
                row,
                menu,
                accent_color=0x5865F2,
            )
        )

    def files(self) -> list[discord.File]:
        colours = [(200, 60 * number, 40 * self._page) for number in range(4)]
        files = [(f"{number}.png", picture(colour=colour)) for number, colour in enumerate(colours)]
        return [discord.File(io.BytesIO(data), filename=name) for name, data in [("thumbnail.png", picture()), *files]]

    def _button(self, label: str, custom_id: str, callback: Any) -> discord.ui.Button[Panel]:
        button = discord.ui.Button[Panel](label=label, custom_id=custom_id)
        button.callback = callback
        return button

    def _menu(self) -> discord.ui.Select[Panel]:
        options = [discord.SelectOption(label=f"Page {page}", value=str(page)) for page in (1, 2, 3)]
        menu = discord.ui.Select[Panel](custom_id="panel:page", placeholder="Go to", options=options)

        async def go(interaction: discord.Interaction) -> None:
            await self._show(interaction, int(menu.values[0]))

        menu.callback = go
        return menu

    async def _turn(self, interaction: discord.Interaction) -> None:
        await self._show(interaction, self._page + 1)

    async def _open(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"opened by {interaction.user.display_name}", ephemeral=True)

    async def _show(self, interaction: discord.Interaction, page: int) -> None:
        panel = Panel(page)
        await interaction.response.edit_message(view=panel, attachments=panel.files())


class SmallBot(discord.Client):
    def __init__(self) -> None:
        intents = discord.Intents.none()
        intents.guilds = intents.guild_reactions = intents.dm_reactions = True
        super().__init__(intents=intents, allowed_mentions=discord.AllowedMentions.none(), guild_ready_timeout=0)
        self.tree = app_commands.CommandTree(self)
        for command in (album, choice, edit, form, greet, imagine, panel, pictures_of, silent, surroundings, whisper):
            self.tree.add_command(command)

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Again)
        await self.tree.sync()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: asyncio.ensure_future(self.close()))

    async def on_ready(self) -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    async def on_guild_join(self, guild: discord.Guild) -> None:
        sys.stdout.write(f"joined {guild.name}\n")
        sys.stdout.flush()

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        if self.user is None or payload.user_id == self.user.id:
            return
        channel = self.get_partial_messageable(payload.channel_id, guild_id=payload.guild_id)
        await channel.get_partial_message(payload.message_id).reply(f"reacted with {payload.emoji}")
        user = await self.fetch_user(payload.user_id)
        await user.send("thank you for the reaction")


@app_commands.command(name="imagine", description="Draw")
@app_commands.describe(
    prompt="What to draw", scheduler="How the picture is drawn", member="For whom", steps="How often"
)
async def imagine(
    interaction: discord.Interaction,
    prompt: str,
    scheduler: str = "ddim",
    member: discord.Member | None = None,
    source: discord.Attachment | None = None,
    steps: app_commands.Range[int, 1, 50] | None = None,
) -> None:
    await interaction.response.defer(thinking=True)
    await interaction.edit_original_response(content="step 1 of 2", attachments=[_file(40, "preview")])
    await asyncio.sleep(float(os.environ.get("STEP", "0")))
    view = discord.ui.View(timeout=None)
    view.add_item(Again(7))
    embed = discord.Embed(title=prompt, description=f"{scheduler} for {member.display_name if member else 'all'}")
    if source is not None:
        size = f"{source.width}x{source.height}"
        embed.add_field(name="source", value=f"{source.filename} {len(await source.read())} {size}")
    message = await interaction.edit_original_response(
        content="", embed=embed, attachments=[_file(96, prompt), _file(64, prompt)], view=view
    )
    await message.add_reaction("🔁")


def _file(size: int, prompt: str) -> discord.File:
    return discord.File(io.BytesIO(picture(size, size)), filename=f"{size}.png", description=f"alt: {prompt}")


@imagine.autocomplete("scheduler")
async def schedulers(_: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=name, value=name) for name in ("ddim", "euler") if current in name]


@app_commands.command(name="album", description="Thirty pictures")
async def album(interaction: discord.Interaction) -> None:
    await interaction.response.send_message(f"an album for {interaction.user.mention}")
    for page in range(10):
        embed = discord.Embed(title=f"page {page}", description=f"for {interaction.user.mention}")
        embed.add_field(name="from", value=interaction.client.user.mention)
        files = [
            discord.File(io.BytesIO(picture(256, 256, (25 * page, 80 * number, 99))), filename=f"{page}-{number}.png")
            for number in range(3)
        ]
        await interaction.followup.send(embed=embed, files=files)


@app_commands.command(name="form", description="Show a form")
async def form(interaction: discord.Interaction) -> None:
    await interaction.response.send_modal(Form())


@app_commands.command(name="choice", description="Show a select in private")
async def choice(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("choose", view=Choice(), ephemeral=True)


@app_commands.command(name="panel", description="Show a panel")
async def panel(interaction: discord.Interaction) -> None:
    shown = Panel(1)
    await interaction.response.send_message(view=shown, files=shown.files())


@app_commands.context_menu(name="Edit picture")
async def edit(interaction: discord.Interaction, message: discord.Message) -> None:
    await interaction.response.send_modal(Edit())


@app_commands.context_menu(name="Their pictures")
async def pictures_of(interaction: discord.Interaction, member: discord.Member) -> None:
    await interaction.response.send_message(f"pictures of {member.display_name}")


@app_commands.command(name="silent", description="Never answer")
async def silent(_: discord.Interaction) -> None:
    """An interaction that nobody answers."""


@app_commands.command(name="surroundings", description="Say what is known of member and channel")
async def surroundings(interaction: discord.Interaction) -> None:
    channel = interaction.channel
    adults = isinstance(channel, discord.TextChannel | discord.Thread) and channel.is_nsfw()
    languages = f"{interaction.locale}, {interaction.guild_locale}"
    await interaction.response.send_message(f"{languages}, {'adults' if adults else 'everybody'}", ephemeral=True)


@app_commands.command(name="greet", description="Say hello to somebody")
async def greet(interaction: discord.Interaction, member: discord.Member) -> None:
    await interaction.response.send_message(f"hello {member.display_name}", view=Write())


@app_commands.command(name="whisper", description="Answer in private")
async def whisper(interaction: discord.Interaction, words: str = "only for you", loud: bool = False) -> None:
    await interaction.response.send_message(words.upper() if loud else words, ephemeral=True)


def main() -> int:
    discord.http.Route.BASE = os.environ["DISCORD_API_BASE"]
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["DISCORD_GATEWAY_URL"])
    discord.utils.setup_logging()
    SmallBot().run(os.environ["DISCORD_TOKEN"], log_handler=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
