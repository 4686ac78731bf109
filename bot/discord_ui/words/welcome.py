"""What a server reads when the bot joins it. No I/O."""

from bot.discord_ui.words import access as access_words
from bot.discord_ui.words import safety as safety_words
from bot.discord_ui.words import text
from bot.discord_ui.words.admin import NO_LIMITS
from bot.discord_ui.words.embeds import limit_values
from bot.records import LimitScope
from bot.services.access import AccessSettings
from bot.services.answers import ServerLimits
from bot.services.policies import SafetySettings
from generation.catalog import ModelCatalog

_EXAMPLE = "a lighthouse at dusk"
_NOT_CHECKED = "posted as they are: whoever runs me has turned the check off"


def welcome(
    catalog: ModelCatalog,
    *,
    safety: SafetySettings | None,
    access: AccessSettings,
    limits: ServerLimits,
    lacking: tuple[str, ...],
) -> str:
    """How to begin, what holds, and which permissions the bot lacks; `safety` None: pictures are not looked at."""
    example = (*catalog.default.examples, _EXAMPLE)[0]
    parts = [
        f"👋 **Hello! I draw what you describe.**\nBegin with `/imagine prompt: {example}`. `/models` lists what can "
        "draw, `/help` shows what else there is.",
        "\n- ".join(["**What holds here**", *_holds(safety, access, limits)])
        + "\nThose with Manage Server see and change it: `/admin safety`, `/admin access`, `/admin limits`.",
    ]
    if lacking:
        names = "\n- ".join(["**What I may not do yet**", *map(text.permission, lacking)])
        parts.append(f"{names}\nAn admin can grant it to my role under Server Settings, Roles.")
    return "\n\n".join(parts)


def _holds(safety: SafetySettings | None, access: AccessSettings, limits: ServerLimits) -> list[str]:
    unsafe = _NOT_CHECKED if safety is None else safety_words.policy(safety)
    own = next((row.values for row in limits.rows if row.scope is LimitScope.SERVER), None)
    said = [f"Unsafe pictures: {_line(unsafe)}", *access_words.summary(access)]
    said.append(f"Limits: {_line(limit_values(own, limits.ceiling)) if own else NO_LIMITS}")
    if limits.ceiling:
        said.append(f"At most, by whoever runs me: {_line(limit_values(limits.ceiling, {}))}")
    return said


def _line(lines: str) -> str:
    return "; ".join(lines.splitlines())
