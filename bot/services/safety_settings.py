"""What a server's admins have set about unsafe pictures. Each change leaves an audit row in its own transaction."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.clock import Clock
from bot.records import Member
from bot.services.audit import Values, changed, note_by, server_of
from bot.services.policies import Policy, SafetySettings
from bot.storage import servers
from bot.storage.database import Database, Transaction
from generation.errors import InvalidRequest

TOPIC = "safety"  #: of the stored settings
DEFAULT = "default"  #: in the place of a policy: none of its own
MOST_CHANNELS = 500  #: with a policy of their own; a server of Discord's holds no more
#: What may be set as a number, from what to what.
RANGES: Mapping[str, tuple[float, float]] = {
    "spoiler_from": (0.0, 1.0),
    "hold_from": (0.0, 1.0),
    "strikes": (0, 100),
    "strike_days": (1, 365),
    "block_days": (1, 365),
}


class ServerSafety:
    """The safety settings of servers. What an admin calls raises NotAllowed for anybody else."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, server: str) -> SafetySettings:
        """What holds on a server. Raises StorageFault."""
        return await self._database.read(lambda transaction: settings_of(transaction, server))

    async def show(self, admin: Member) -> SafetySettings:
        """What holds on the admin's server."""
        return await self.of(server_of(admin))

    async def set(
        self, admin: Member, numbers: Mapping[str, float], *, policy: str | None = None, channel: str | None = None
    ) -> SafetySettings:
        """Set what is given, leave the rest; returns what holds now. Raises InvalidRequest.

        `policy` is a Policy or DEFAULT, for one channel or for all that have none of their own.
        """
        server = server_of(admin)
        if channel is not None and policy is None:
            raise InvalidRequest("channel", "together", choices=("policy",))
        if policy is None and not numbers:
            raise InvalidRequest("setting", "missing", choices=("policy", *RANGES))
        if policy not in (None, DEFAULT, *Policy):
            raise InvalidRequest("policy", "choice", policy, choices=(*Policy, DEFAULT))
        for name, value in numbers.items():
            least, most = RANGES[name]
            if not least <= value <= most:
                raise InvalidRequest(name, "range", value, least=least, most=most)

        def after(before: SafetySettings) -> SafetySettings:
            now = replace(before, **numbers)
            if policy is not None:
                now = _with_policy(now, None if policy == DEFAULT else Policy(policy), channel)
            if now.hold_from < now.spoiler_from:
                raise InvalidRequest("hold_from", "range", now.hold_from, least=now.spoiler_from, most=1.0)
            if len(now.channels) > MOST_CHANNELS:
                raise InvalidRequest("channel", "range", len(now.channels), least=0, most=MOST_CHANNELS)
            return now

        return await self._change(admin, server, "safety.set", after)

    async def set_review_channel(self, admin: Member, channel: str | None) -> SafetySettings:
        """Have held pictures shown to a server's moderators in this channel; None: in none."""
        server = server_of(admin)
        return await self._change(
            admin, server, "safety.review", lambda before: replace(before, review_channel=channel)
        )

    async def forget_channel(self, admin: Member, channel: str) -> None:
        """A channel is gone, and with it the policy that it had."""
        server = server_of(admin)
        if channel in (await self.of(server)).channels:
            await self._change(admin, server, "safety.set", lambda before: _with_policy(before, None, channel))

    async def _change(
        self, admin: Member, server: str, action: str, change: Callable[[SafetySettings], SafetySettings]
    ) -> SafetySettings:
        note = note_by(admin, server, self._clock())

        def put(transaction: Transaction) -> SafetySettings:
            before = settings_of(transaction, server)
            after = change(before)
            if after != before:
                servers.ensure(transaction, server)
                servers.put_settings(transaction, server, TOPIC, after.to_data())
                servers.note(transaction, changed(note, action, _values(before), _values(after)))
            return after

        return await self._database.write(put)


def settings_of(transaction: Transaction, server: str) -> SafetySettings:
    """What holds on a server."""
    return SafetySettings.of(servers.settings_of(transaction, server, TOPIC))


def _with_policy(settings: SafetySettings, policy: Policy | None, channel: str | None) -> SafetySettings:
    if channel is None:
        return replace(settings, policy=policy)
    others = {one: own for one, own in settings.channels.items() if one != channel}
    return replace(settings, channels=others if policy is None else {**others, channel: policy})


def _values(settings: SafetySettings) -> Values:
    """What the audit compares: each channel's policy for itself."""
    own = {name: getattr(settings, name) for name in ("policy", "review_channel", *RANGES)}
    return {**own, **{f"channel {channel}": policy for channel, policy in settings.channels.items()}}
