"""What happens to a picture that the check finds unsafe: by channel, by score. Plain values, nothing is read here."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Self


class Policy(StrEnum):
    """What a channel wants done with unsafe pictures; the later is the stricter."""

    OFF = "off"  #: posted; scores are kept
    SPOILER = "spoiler"  #: hidden behind a click, from the higher threshold held
    WITHHOLD = "withhold"  #: held from the lower threshold
    REVIEW = "review"  #: the same, and shown in the moderators' channel


class Verdict(StrEnum):
    """What is done with one picture."""

    SHOW = "show"
    SPOILER = "spoiler"
    HOLD = "hold"


@dataclass(frozen=True, kw_only=True, slots=True)
class Where:
    """A channel as a policy sees it."""

    server: str | None  #: None in direct messages
    channel: str
    parent: str | None = None  #: the channel above a thread
    is_restricted: bool = False  #: age-restricted; a thread is what its parent is


@dataclass(frozen=True, kw_only=True, slots=True)
class SafetySettings:
    """What a server has set. One that has set nothing has the defaults, which are safe."""

    policy: Policy | None = None  #: for every channel that has none of its own; None: by its age restriction
    channels: Mapping[str, Policy] = field(default_factory=dict[str, Policy])
    spoiler_from: float = 0.5  #: a score, from 0 to 1: unsafe from here on
    hold_from: float = 0.8  #: a score: held from here on under "spoiler"
    review_channel: str | None = None
    strikes: int = 3  #: pictures of a member that were kept back by a person, until they are blocked; 0: never
    strike_days: int = 30  #: how long one counts
    block_days: int = 7

    @classmethod
    def of(cls, by_name: Mapping[str, Any]) -> Self:
        """From what is stored; what this version does not know is left out."""
        values = {one.name: by_name[one.name] for one in fields(cls) if one.name in by_name}
        if values.get("policy") is not None:
            values["policy"] = Policy(values["policy"])
        values["channels"] = {channel: Policy(policy) for channel, policy in by_name.get("channels", {}).items()}
        return cls(**values)

    def to_data(self) -> dict[str, Any]:
        """What is stored: only what differs from the defaults."""
        default = type(self)()
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value != getattr(default, name)}

    def policy_in(self, where: Where) -> Policy:
        """The policy of a channel: its own, its parent's, the server's, or the default."""
        own = self.channels.get(where.channel) or self.channels.get(where.parent or "")
        return own or self.policy or (Policy.SPOILER if where.is_restricted else Policy.WITHHOLD)

    def verdict(self, policy: Policy, score: float) -> Verdict:
        """What is done with a picture of this score under a policy."""
        if policy is Policy.OFF or score < self.spoiler_from:
            return Verdict.SHOW
        if policy is Policy.SPOILER and score < self.hold_from:
            return Verdict.SPOILER
        return Verdict.HOLD
