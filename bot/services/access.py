"""Who may draw on a server, where, and with which model. Plain values, nothing is read here."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Self, TypeAlias

from bot.errors import ModelReserved, NotInThisChannel, RoleNeeded, TooNew
from bot.records import Member
from bot.services.channel_defaults import Defaults

#: Ids. None: everybody, or everywhere. Empty: nobody, as all that was listed is gone.
AllowList: TypeAlias = tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessSettings:
    """What a server has set. On one that has set nothing, everybody may draw everywhere with every model.

    A thread is what the channel above it is, unless it is named itself. Those who manage the server are held to
    channels and models as well; roles and time are about whom to trust, which they decide themselves.
    """

    channels: AllowList = None
    roles: AllowList = None
    minimum_days: int = 0  #: on the server
    models: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])  #: the roles, by model
    defaults: Mapping[str, Defaults] = field(default_factory=dict[str, Defaults])  #: by channel

    @classmethod
    def of(cls, by_name: Mapping[str, Any]) -> Self:
        """From what is stored; what this version does not know is left out."""
        values = {one.name: by_name[one.name] for one in fields(cls) if one.name in by_name}
        for name in ("channels", "roles"):
            if values.get(name) is not None:
                values[name] = tuple(values[name])
        values["models"] = {model: tuple(roles) for model, roles in by_name.get("models", {}).items()}
        return cls(**values)

    def to_data(self) -> dict[str, Any]:
        """What is stored: only what differs from the defaults."""
        default = type(self)()
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value != getattr(default, name)}

    def check(self, member: Member, model: str, now: datetime) -> None:
        """Whether the member may draw with the model where they are. Raises Refusal; in direct messages nothing."""
        if member.server is None:
            return
        if self.channels is not None and not {member.channel, member.parent} & set(self.channels):
            raise NotInThisChannel(self.channels)
        if not member.is_admin:
            if self.roles is not None and not set(member.roles) & set(self.roles):
                raise RoleNeeded(self.roles)
            self._check_time(member, now)
        if not self.may_use(member, model):
            raise ModelReserved(model, self.roles_for(model) or ())

    def may_use(self, member: Member, model: str) -> bool:
        """Whether this model is for the member, wherever they are."""
        roles = self.roles_for(model)
        return member.server is None or roles is None or bool(set(member.roles) & set(roles))

    def roles_for(self, model: str) -> AllowList:
        """Whom a model is for; its name in any case of letters."""
        return next((roles for name, roles in self.models.items() if name.casefold() == model.casefold()), None)

    def defaults_in(self, member: Member) -> Defaults:
        """What holds where the member is and leaves something open: the thread's own, or the channel's."""
        own = self.defaults.get(member.channel)
        return (self.defaults.get(member.parent or "") or {}) if own is None else own

    def without(self, *, channel: str | None = None, role: str | None = None) -> Self:
        """The same after a channel or a role is gone. A list that becomes empty by that opens nothing."""
        return type(self)(
            channels=_left(self.channels, channel),
            roles=_left(self.roles, role),
            minimum_days=self.minimum_days,
            models={model: tuple(one for one in roles if one != role) for model, roles in self.models.items()},
            defaults={one: values for one, values in self.defaults.items() if one != channel},
        )

    def _check_time(self, member: Member, now: datetime) -> None:
        if self.minimum_days == 0:
            return
        until = None if member.joined_at is None else member.joined_at + timedelta(days=self.minimum_days)
        if until is None or now < until:
            raise TooNew(self.minimum_days, until)


def _left(ids: AllowList, gone: str | None) -> AllowList:
    return None if ids is None else tuple(one for one in ids if one != gone)
