"""What members may not do, grown onto the tree in generation.errors.

KnownError
├── Refusal                     nothing was started; whoever asked can do something about it
│   ├── InvalidRequest, QueueFull, ShuttingDown     (generation.errors)
│   ├── LimitReached            asked for more than this server lets this member have
│   ├── Blocked                 kept out by an admin
│   ├── NotAllowed              not theirs, or a permission is missing
│   ├── UnknownJob              never existed, was deleted, or belongs to another server
│   ├── AlreadyOver             too late to cancel
│   ├── NoResult                no job of theirs has pictures
│   ├── PictureGone             the file was removed to make room
│   ├── TooBusy                 the answer would have come too late for Discord
│   └── NothingToCancel         no job of theirs waits or runs
├── JobStopped
│   └── Quarantined             the process died twice while it was drawn
└── StorageFault                (bot.storage.errors)
"""

import math
from datetime import datetime

from bot.storage.errors import StorageFault
from bot.storage.unfinished import QUARANTINED
from generation.errors import JobStopped, Refusal

__all__ = [
    "AlreadyOver",
    "Blocked",
    "LimitReached",
    "NoResult",
    "NotAllowed",
    "NothingToCancel",
    "PictureGone",
    "Quarantined",
    "StorageFault",
    "TooBusy",
    "UnknownJob",
]


class LimitReached(Refusal):
    """A limit says no: which, its value, what to do about it, and when it frees up if time alone helps."""

    code = "limit_reached"

    def __init__(self, limit: str, value: int, resets_at: datetime | None, *, name: str, advice: str) -> None:
        # Rounded up: at the second that is shown it must really be over.
        frees_up = "" if resets_at is None else f" It frees up <t:{math.ceil(resets_at.timestamp())}:R>."
        super().__init__(f"**{name}**: your limit here is {value}. {advice}{frees_up}")
        self.limit = limit  #: the field of LimitValues
        self.value = value
        self.resets_at = resets_at


class Blocked(Refusal):
    """An admin of this server keeps the member out."""

    code = "blocked"

    def __init__(self, reason: str | None = None) -> None:
        said = f" The reason given: {reason}" if reason else ""
        super().__init__(f"An admin of this server has blocked you from asking for pictures here.{said}")
        self.reason = reason


class NotAllowed(Refusal):
    """Not theirs, or a permission is missing; the sentence says which."""

    code = "not_allowed"


class UnknownJob(Refusal):
    """Never existed, was deleted, or is none of this server's business."""

    code = "unknown_job"

    def __init__(self) -> None:
        super().__init__("I do not know this job, or it was deleted.")


class AlreadyOver(Refusal):
    """There is nothing left to cancel."""

    code = "already_over"

    def __init__(self) -> None:
        super().__init__("This job is over already.")


class NothingToCancel(Refusal):
    """They did not say which job, and none of theirs is live."""

    code = "nothing_to_cancel"

    def __init__(self) -> None:
        super().__init__("You have no job waiting or running.")


class NoResult(Refusal):
    """They asked for pictures of theirs, and there are none."""

    code = "no_result"

    def __init__(self) -> None:
        super().__init__("There are no finished pictures of yours there. `/imagine` draws some.")


class PictureGone(Refusal):
    """The picture was kept for as long as this bot keeps them; its parameters are still known."""

    code = "picture_gone"

    def __init__(self) -> None:
        super().__init__(
            "The file of this picture is no longer kept here. Its message may still show it, and **Rerun** draws anew."
        )


class Quarantined(JobStopped):
    """The process died twice while this job was drawn, so it is not tried a third time by itself."""

    code = QUARANTINED

    def __init__(self, *, in_server: bool = True) -> None:
        # In direct messages there is no admin; whoever asked may try it once more by themselves.
        further = " An admin of the server can let it try once more." if in_server else ""
        super().__init__(f"I crashed twice while drawing this, so I have set it aside. It was not counted.{further}")


class TooBusy(Refusal):
    """The answer would have come too late for Discord; nothing stays started."""

    code = "too_busy"

    def __init__(self) -> None:
        super().__init__(
            "I am very busy right now and could not take this in time. Nothing was started; please try again."
        )
