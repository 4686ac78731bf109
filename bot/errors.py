"""The errors of the application, grown onto the tree in generation.errors. Codes and fields, no sentences.

KnownError
├── Refusal                     nothing was started; the member can do something about it
│   ├── InvalidRequest, QueueFull, ShuttingDown     (generation.errors)
│   ├── LimitReached            asked for more than this server lets this member have
│   ├── Blocked                 kept out by an admin
│   ├── TooManyStrikes          kept out for a while: people kept back several of their pictures
│   ├── AlreadyDecided          somebody was faster, or nobody decided in time
│   ├── NotAllowed              not theirs, or they lack a permission
│   ├── WordRefused             a word or a pattern of this server's list is in it
│   ├── BadPattern              a pattern for that list cannot be taken
│   ├── ListFull                no more words or patterns
│   ├── NotInDirectMessages     the operator lets nobody draw there
│   ├── NotInThisChannel        an admin lets nobody draw there
│   ├── RoleNeeded              an admin lets only those with certain roles draw
│   ├── TooNew                  an admin lets only those draw who have been on the server for a while
│   ├── ModelReserved           an admin lets only those with certain roles use this model
│   ├── MissingPermissions      the bot could draw the picture and not deliver it
│   ├── UnknownWorker           is not there any more, or cannot be drained
│   ├── UnknownJob              never existed, was deleted, or belongs to another server
│   ├── AlreadyOver             too late to cancel
│   ├── NothingToCancel         no job of theirs waits or runs
│   ├── NoResult                no job of theirs has pictures
│   ├── NoPicture               a message that was to be used has none
│   ├── PictureGone             the file was removed to make room, or is lost
│   ├── Held                    the pictures wait for a moderator, or were kept back
│   ├── UnsafeInput             a picture to begin with is one that the server does not want
│   ├── TooLarge                a picture is as large already as its model or a limit allows
│   ├── StaleButton             a button that this version does not know, or that somebody made up
│   └── TooBusy                 the answer would have come too late for Discord
├── JobStopped
│   ├── Quarantined             the process died twice while it was drawn
│   └── KeptBack                none of its pictures may be shown
├── StorageFault                the database or the disk does not answer as it should
├── CheckFault                  a picture could not be checked; that may pass
├── NoPictureCheck              the picture check cannot be had, and waiting will not help
├── UnusableDatabase            it will not become usable by waiting
├── BackupRefused               nothing was copied
├── DataInUse                   another bot has this DATA_DIR
├── DatabaseInUse               another bot has this database
├── WrongFolder                 this DATA_DIR is not the one the database was used with
├── CannotListen                the port of METRICS_PORT cannot be had
└── CannotConnect               Discord does not let this bot in, and waiting will not help
"""

from dataclasses import KW_ONLY
from datetime import datetime
from typing import Literal

from generation.errors import JobStopped, KnownError, Refusal


class LimitReached(Refusal):
    """A limit says no."""

    limit: str  #: the name of a LimitKind
    value: float  #: what it is set to
    asked: float  #: what was asked for, in the limit's unit
    used: float = 0.0  #: what is taken already, in the limit's unit
    resets_at: datetime | None = None  #: when it frees up, where time alone helps


class Blocked(Refusal):
    """An admin of this server keeps the member out."""

    reason: str | None = None  #: as the admin gave it


class TooManyStrikes(Refusal):
    """People kept back so many of the member's pictures on this server that they are kept out for a while."""

    strikes: int  #: pictures
    until: datetime


class AlreadyDecided(Refusal):
    """What becomes of a held picture is decided once."""

    decision: str  #: the value of a Decision
    by: str | None  #: None: it expired


class NotAllowed(Refusal):
    """Not theirs, or they lack a permission."""

    needed: Literal["requester_or_moderator", "manage_server", "use_commands", "review", "operator"]


class WordRefused(Refusal, code="words"):
    """A word or a pattern of this server's list is in it; which one is nobody's business."""

    where: Literal["prompt", "negative_prompt", "image"]  #: image: in the parameters that a picture's file carries


class BadPattern(Refusal):
    """A pattern cannot be taken for a server's list."""

    #: length, nesting and repeats: past `most`; form: what the list does not take; everything: it matches any text.
    reason: Literal["length", "nesting", "repeats", "form", "syntax", "slow", "everything"]
    _: KW_ONLY
    most: int | None = None
    detail: str = ""


class ListFull(Refusal):
    """A server's list has as many words, or patterns, as it may have."""

    kind: Literal["words", "patterns"]
    most: int


class NotInDirectMessages(Refusal):
    """The operator lets nobody draw in direct messages."""


class NotInThisChannel(Refusal):
    """An admin of this server has named the channels where members may draw, and this is none of them."""

    channels: tuple[str, ...]  #: ids; empty where all of them are gone


class RoleNeeded(Refusal):
    """An admin of this server has named the roles that may draw, and the member has none of them."""

    roles: tuple[str, ...]  #: ids; empty where all of them are gone


class TooNew(Refusal):
    """The member has not been on this server for as long as its admins ask for."""

    days: int
    until: datetime | None  #: when they have; None where nobody knows since when they are there


class ModelReserved(Refusal):
    """An admin of this server has named the roles that may use this model, and the member has none of them."""

    model: str
    roles: tuple[str, ...]  #: ids; empty where all of them are gone


class MissingPermissions(Refusal):
    """The bot could draw the picture and not deliver it."""

    names: tuple[str, ...]  #: discord.py's flags, such as "attach_files"


class UnknownWorker(Refusal):
    """No worker has this name, or it is in the bot's own process and leaves with it."""


class UnknownJob(Refusal):
    """Never existed, was deleted, or is none of this server's business."""


class AlreadyOver(Refusal):
    """There is nothing left to cancel."""


class NothingToCancel(Refusal):
    """They did not say which job, and none of theirs is live."""


class NoResult(Refusal):
    """They asked for pictures of theirs, and there are none."""


class NoPicture(Refusal):
    """The message that a picture was to be taken from has none."""


class PictureGone(Refusal):
    """There is no picture any more, and there will be none; its parameters are still known."""

    reason: Literal["made_room", "lost"] = "made_room"  #: lost: its file is gone or damaged


class Held(Refusal):
    """Pictures that were held back, and that are shown to nobody: they wait for a moderator, or one kept them back."""


class UnsafeInput(Refusal):
    """The check finds a picture to begin with unsafe, and the channel wants none of those."""

    role: str  #: "image" or "mask"


class TooLarge(Refusal):
    """The picture cannot be enlarged further, by its model or by a limit."""


class StaleButton(Refusal):
    """A button that this version does not know, or that somebody made up."""


class TooBusy(Refusal):
    """The answer would have come too late for Discord; nothing stays started."""


class Quarantined(JobStopped):
    """The process died twice while this job was drawn, so it is not tried a third time by itself."""


class KeptBack(JobStopped):
    """All of its pictures were held back, and a moderator kept them back or nobody decided in time."""


class StorageFault(KnownError, code="storage"):
    """The database is locked or gone, the disk is full, a file is missing: nothing that a member could mend."""

    _: KW_ONLY
    detail: str = ""


class CheckFault(KnownError, code="check"):
    """A picture could not be checked, so that nobody may see it yet: nothing that a member could mend."""

    _: KW_ONLY
    detail: str = ""


class NoPictureCheck(KnownError):
    """The picture check that is set cannot be had."""

    reason: Literal["not_installed", "does_not_load"]
    _: KW_ONLY
    detail: str = ""


class UnusableDatabase(KnownError):
    """What is where the database should be cannot be used, and waiting will not change that."""

    reason: Literal["damaged", "not_ours", "newer", "no_place", "missing", "no_room", "replaced"]
    where: str
    _: KW_ONLY
    detail: str = ""


class BackupRefused(KnownError):
    """Nothing was copied, and nothing was overwritten."""

    reason: Literal["not_sqlite", "target_exists"]
    target: str


class DataInUse(KnownError):
    """Another bot has this DATA_DIR, where two would steal each other's jobs; or the folder cannot be used."""

    folder: str
    _: KW_ONLY
    detail: str = ""  #: empty where another bot has it


class DatabaseInUse(KnownError):
    """Another bot uses this database, from whatever DATA_DIR."""

    where: str  #: without a password
    _: KW_ONLY
    was_ours: bool = False  #: until its connection was lost


class WrongFolder(KnownError):
    """The pictures that the database's rows speak of are in another DATA_DIR."""

    folder: str
    database: str  #: its id
    file: str  #: where the folder's id stands, or would


class CannotListen(KnownError):
    """The port that is to tell of the bot's health is taken, or is not ours to take."""

    host: str
    port: int
    _: KW_ONLY
    detail: str = ""


class CannotConnect(KnownError):
    """Discord does not let this bot in, and waiting will not help."""

    reason: Literal["no_token", "token_refused", "intents_refused"]


def is_storage_fault(error: BaseException) -> bool:
    """Whether records or files are in trouble: that may pass."""
    return isinstance(error, StorageFault)
