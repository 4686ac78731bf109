"""/admin words: what prompts may not have in them here, and what goes into every negative prompt."""

from discord import Interaction, app_commands
from discord.app_commands import Choice, Range

from bot.discord_ui import inputs
from bot.discord_ui.inputs import member_of
from bot.discord_ui.words import word_list
from bot.services.matching import MAX_PATTERN
from bot.services.words import MAX_NEGATIVE, Words
from generation.request import MAX_PROMPT

_GIVEN = 2000  #: characters of words in one go


class WordCommands(app_commands.Group):
    """A group of /admin's. Every answer is private; the service checks who may ask."""

    def __init__(self, server_words: Words) -> None:
        super().__init__(name="words", description="What prompts may not have in them here")
        self._words = server_words

    @app_commands.command()
    @app_commands.describe(
        words="One or more, with commas between them: whole words, found in disguise too",
        pattern="A regular expression, for what words cannot say",
    )
    async def add(
        self,
        interaction: Interaction,
        words: Range[str, 1, _GIVEN] | None = None,
        pattern: Range[str, 1, MAX_PATTERN] | None = None,
    ) -> None:
        """Refuse what has these words in it, or what a pattern describes"""
        await interaction.response.defer(ephemeral=True)
        new = await self._words.add(member_of(interaction), _given(words), pattern)
        await interaction.edit_original_response(content=word_list.added(new))

    @app_commands.command()
    @app_commands.describe(words="One or more, with commas between them", pattern="One of the patterns")
    async def remove(
        self,
        interaction: Interaction,
        words: Range[str, 1, _GIVEN] | None = None,
        pattern: Range[str, 1, MAX_PATTERN] | None = None,
    ) -> None:
        """Allow words, or what a pattern describes, again"""
        await interaction.response.defer(ephemeral=True)
        gone = await self._words.remove(member_of(interaction), _given(words), pattern)
        await interaction.edit_original_response(content=word_list.removed(gone))

    @remove.autocomplete("words")
    async def _listed_words(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        found = await inputs.looked_up("/admin words remove", self._words.shown(member_of(interaction)))
        return inputs.suggestions(typed, [(word, word) for word in (found.settings.words if found else ())])

    @remove.autocomplete("pattern")
    async def _listed_patterns(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        found = await inputs.looked_up("/admin words remove", self._words.shown(member_of(interaction)))
        return inputs.suggestions(typed, [(one, one) for one in (found.settings.patterns if found else ())])

    @app_commands.command(name="list")
    @app_commands.describe(page="Where there are more than one page holds")
    async def list_(self, interaction: Interaction, page: Range[int, 1, 100] = 1) -> None:
        """Show the words, the patterns and what goes into every negative prompt"""
        await interaction.response.defer(ephemeral=True)
        found = await self._words.shown(member_of(interaction))
        await interaction.edit_original_response(embed=word_list.listed(found, page))

    @app_commands.command()
    @app_commands.describe(text="As a member might write it")
    async def test(self, interaction: Interaction, text: Range[str, 1, MAX_PROMPT]) -> None:
        """Say which of the words and patterns are in a text"""
        await interaction.response.defer(ephemeral=True)
        found = await self._words.test(member_of(interaction), text)
        await interaction.edit_original_response(content=word_list.tested(found))

    @app_commands.command()
    @app_commands.describe(words="With commas between them; none any more if you leave it out")
    async def negative(self, interaction: Interaction, words: Range[str, 1, MAX_NEGATIVE] | None = None) -> None:
        """Put words into the negative prompt of everything that is drawn for this server"""
        await interaction.response.defer(ephemeral=True)
        terms = await self._words.set_negative(member_of(interaction), words)
        await interaction.edit_original_response(content=word_list.negative(terms))


def _given(words: str | None) -> tuple[str, ...]:
    return () if words is None else (words,)
