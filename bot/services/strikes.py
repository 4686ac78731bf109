"""When pictures that people kept back block a member: worked out anew from their moments and the server's settings."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.records import Account
from bot.services.policies import SafetySettings
from bot.services.safety_settings import TOPIC
from bot.storage import holds, servers
from bot.storage.database import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class Strikes:
    """A member's standing on a server."""

    counted: int  #: pictures that a person kept back, and that still count
    blocks_at: int  #: how many of them block; 0: none ever do
    blocked_until: datetime | None = None


def standing(settings: SafetySettings, kept_back: Sequence[datetime], now: datetime) -> Strikes:
    """From the moments when pictures of theirs were kept back, the earliest first: so many within so many days block,
    from the last of them on."""
    number, days = settings.strikes, timedelta(days=settings.strike_days)
    ends = [
        last + timedelta(days=settings.block_days)
        for first, last in zip(kept_back, kept_back[number - 1 :], strict=False)
        if number and last - first <= days
    ]
    until = max(ends, default=None)
    return Strikes(
        counted=sum(now - one <= days for one in kept_back),
        blocks_at=number,
        blocked_until=until if until is not None and until > now else None,
    )


def standing_of_all(transaction: Transaction, members: Collection[Account], now: datetime) -> dict[Account, Strikes]:
    """How these members stand on their servers."""
    stored = servers.settings_of_all(transaction, {server for _, server in members if server is not None}, TOPIC)
    settings = {server: SafetySettings.of(stored.get(server or "", {})) for _, server in members}
    days = max((one.strike_days + one.block_days for one in settings.values()), default=0)
    kept_back = holds.strikes(transaction, members, now - timedelta(days=days), now)
    return {account: standing(settings[account[1]], moments, now) for account, moments in kept_back.items()}
