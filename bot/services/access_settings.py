"""What a server's admins have set about who may draw. Each change leaves an audit row in its own transaction."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from bot.clock import Clock
from bot.records import Member
from bot.services import channel_defaults
from bot.services.access import AccessSettings, AllowList
from bot.services.audit import Values, changed, note_by, server_of
from bot.services.channel_defaults import DEFAULTS, Defaults
from bot.storage import servers
from bot.storage.database import Database, Transaction
from generation.catalog import DrawingOptions, ModelCatalog
from generation.errors import InvalidRequest

log = logging.getLogger(__name__)

TOPIC = "access"  #: of the stored settings
MOST_LISTED = 100  #: ids in one list
MOST_CHANNELS = 100  #: with defaults of their own
MOST_DAYS = 365


@dataclass(frozen=True, kw_only=True, slots=True)
class ListChange:
    """What an admin does to one list."""

    add: str | None = None
    remove: str | None = None  #: the last one that is removed by hand leaves no list, so that everybody may again
    lift: bool = False  #: forget the list


class ServerAccess:
    """The access settings of servers. What an admin calls raises NotAllowed for anybody else."""

    def __init__(self, *, database: Database, catalog: ModelCatalog, clock: Clock) -> None:
        self._database = database
        self._catalog = catalog
        self._clock = clock
        #: Channel, name and value of the defaults that the log has.
        self._said: set[tuple[str | None, str, str | int | float]] = set()

    async def of(self, server: str | None) -> AccessSettings:
        """What holds on a server; in direct messages nothing. Raises StorageFault."""
        if server is None:
            return AccessSettings()
        return await self._database.read(lambda transaction: settings_of(transaction, server))

    async def show(self, admin: Member) -> AccessSettings:
        """What holds on the admin's server."""
        return await self.of(server_of(admin))

    async def filled(self, options: DrawingOptions, member: Member) -> DrawingOptions:
        """A member's choices, completed by what is set where they are. Raises StorageFault."""
        settings = await self.of(member.server)
        defaults = settings.defaults_in(member)
        channel = member.channel if member.channel in settings.defaults else member.parent
        found = channel_defaults.filled(options, defaults, self._catalog, lambda model: settings.may_use(member, model))
        for name in found.not_taken:
            self._say_not_taken(channel, name, defaults[name])
        return found.options

    async def change_channels(self, admin: Member, change: ListChange) -> AccessSettings:
        """Let members draw in listed channels only. Raises InvalidRequest; returns what holds now."""
        return await self._change(
            admin, "access.channels", lambda now: replace(now, channels=_changed_list(now.channels, change))
        )

    async def change_roles(self, admin: Member, change: ListChange) -> AccessSettings:
        """Let only members with a listed role draw. Raises InvalidRequest; returns what holds now."""
        return await self._change(
            admin, "access.roles", lambda now: replace(now, roles=_changed_list(now.roles, change))
        )

    async def set_minimum(self, admin: Member, days: int) -> AccessSettings:
        """Let only those draw who have been on the server for so many days; 0: everybody. Raises InvalidRequest."""
        if not 0 <= days <= MOST_DAYS:
            raise InvalidRequest("days", "range", days, least=0, most=MOST_DAYS)
        return await self._change(admin, "access.minimum", lambda now: replace(now, minimum_days=days))

    async def change_model(self, admin: Member, model: str, change: ListChange) -> AccessSettings:
        """Let only members with a listed role use a model. Raises InvalidRequest; returns what holds now.

        A model that is no longer on offer can have its list lifted or shortened.
        """

        def after(now: AccessSettings) -> AccessSettings:
            known = next((name for name in now.models if name.casefold() == model.strip().casefold()), None)
            name = self._catalog.get(model).name if known is None else known
            others = {one: roles for one, roles in now.models.items() if one != name}
            roles = _changed_list(now.models.get(name), change)
            return replace(now, models=others if roles is None else {**others, name: roles})

        return await self._change(admin, "access.model", after)

    async def set_defaults(self, admin: Member, channel: str, values: Defaults) -> AccessSettings:
        """Set what /imagine takes in a channel where it is left open; what is not given stays. Raises InvalidRequest.

        Names are those of DEFAULTS. Returns what holds now.
        """
        if not values:
            raise InvalidRequest("default", "missing", choices=DEFAULTS)

        def after(now: AccessSettings) -> AccessSettings:
            own = channel_defaults.check({**now.defaults.get(channel, {}), **values}, self._catalog)
            all_ = {**now.defaults, channel: own}
            if len(all_) > MOST_CHANNELS:
                raise InvalidRequest("channel", "range", len(all_), least=0, most=MOST_CHANNELS)
            return replace(now, defaults=all_)

        return await self._change(admin, "access.defaults", after)

    async def clear_defaults(self, admin: Member, channel: str) -> AccessSettings:
        """Forget what is set for a channel; returns what holds now."""

        def after(now: AccessSettings) -> AccessSettings:
            return replace(now, defaults={one: own for one, own in now.defaults.items() if one != channel})

        return await self._change(admin, "access.defaults", after)

    async def forget(self, admin: Member, *, channel: str | None = None, role: str | None = None) -> None:
        """A channel or a role is gone, and with it what was said of it."""
        if (found := await self.show(admin)).without(channel=channel, role=role) != found:
            await self._change(admin, "access.gone", lambda now: now.without(channel=channel, role=role))

    def _say_not_taken(self, channel: str | None, name: str, value: str | int | float) -> None:
        """In one line, however often it is ignored."""
        if (what := (channel, name, value)) not in self._said:
            self._said.add(what)
            log.warning("the default %s of channel %s is ignored, no model takes it: %r", name, channel, value)

    async def _change(
        self, admin: Member, action: str, change: Callable[[AccessSettings], AccessSettings]
    ) -> AccessSettings:
        server = server_of(admin)
        note = note_by(admin, server, self._clock())

        def put(transaction: Transaction) -> AccessSettings:
            before = settings_of(transaction, server)
            after = change(before)
            if after != before:
                servers.ensure(transaction, server)
                servers.put_settings(transaction, server, TOPIC, after.to_data())
                servers.note(transaction, changed(note, action, _values(before), _values(after)))
            return after

        return await self._database.write(put)


def settings_of(transaction: Transaction, server: str) -> AccessSettings:
    """What holds on a server."""
    return AccessSettings.of(servers.settings_of(transaction, server, TOPIC))


def settings_on(transaction: Transaction, those: Collection[str]) -> dict[str, AccessSettings]:
    """The same for several servers at once, those left out that have set nothing."""
    found = servers.settings_of_all(transaction, those, TOPIC)
    return {server: AccessSettings.of(by_name) for server, by_name in found.items()}


def _changed_list(before: AllowList, change: ListChange) -> AllowList:
    if change.lift:
        if change.add is not None or change.remove is not None:
            raise InvalidRequest("everybody", "conflict", choices=("add", "remove"))
        return None
    if change.add is None and change.remove is None:
        raise InvalidRequest("change", "missing", choices=("add", "remove", "everybody"))
    after = [one for one in before or () if one not in (change.remove, change.add)]
    after += [change.add] if change.add is not None else []
    if len(after) > MOST_LISTED:
        raise InvalidRequest("add", "range", len(after), least=0, most=MOST_LISTED)
    is_last = not after and change.remove in (before or ())
    return None if is_last else before if not after else tuple(after)


def _values(settings: AccessSettings) -> Values:
    """What the audit compares: each model's roles and each channel's defaults for themselves."""
    return {
        "channels": _ids(settings.channels),
        "roles": _ids(settings.roles),
        "minimum_days": settings.minimum_days,
        **{f"model {name}": _ids(roles) for name, roles in settings.models.items()},
        **{f"defaults {channel}": _pairs(own) for channel, own in settings.defaults.items()},
    }


def _ids(ids: AllowList) -> str | None:
    return None if ids is None else ", ".join(ids) or "nobody"


def _pairs(values: Mapping[str, str | int | float]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
