"""Who asks, and where the answer goes."""

from dataclasses import dataclass, field
from datetime import datetime

from bot.storage.records import JobRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """Whoever asks, as this one command sees them."""

    id: str
    name: str
    server: str | None  #: None in a direct message
    channel: str
    roles: tuple[str, ...] = ()
    is_moderator: bool = False  #: Manage Messages here: may cancel and delete what others asked for
    is_admin: bool = False  #: Manage Server

    def is_where(self, job: JobRecord) -> bool:
        """Whether the job belongs to the server the member speaks from; in direct messages, to this very channel."""
        return self.server == job.server and (job.server is not None or self.channel == job.channel)

    def may_stop(self, job: JobRecord) -> bool:
        """Whether the member may cancel or delete the job."""
        return self.id == job.requester or (self.is_moderator and self.server is not None and self.is_where(job))


@dataclass(frozen=True, kw_only=True, slots=True)
class Whereabouts:
    """Where a job is to be delivered. Strings and a moment only, so that it survives a restart."""

    channel: str
    message: str | None = None
    reply_to: str | None = None
    interaction_token: str | None = field(default=None, repr=False)
    token_expires: datetime | None = None
