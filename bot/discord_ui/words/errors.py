"""Errors -> words for members, for commands, buttons and reactions alike. The only place that does it.

Anything that was not raised on purpose becomes a kind sentence with a short reference that the log has too, beside the
trace; nobody is shown an exception's text.
"""

import logging
import math
from difflib import get_close_matches

from discord import app_commands

from bot.discord_ui.words import access, text
from bot.errors import (
    AlreadyDecided,
    BadPattern,
    Blocked,
    CheckFault,
    LimitReached,
    MissingPermissions,
    ModelReserved,
    NotAllowed,
    NotInThisChannel,
    PictureGone,
    RoleNeeded,
    TooManyStrikes,
    TooNew,
    WordRefused,
)
from bot.records import Decision, JobRecord
from bot.services.limits import KINDS, LimitRule
from generation.errors import (
    BadPicture,
    Cancelled,
    InvalidRequest,
    JobStopped,
    KnownError,
    LoraRefused,
    LoraUnavailable,
    Refusal,
    WorkerFault,
    new_reference,
)
from generation.operator_words import bad_picture, demand, lora_words

log = logging.getLogger(__name__)

NOT_COUNTED = "It was not counted."

#: What errors mean for a member, by code; fields stand in braces. Those with more to say have a function below.
_SENTENCES = {
    "already_over": "This job is over already.",
    "broken_image": "The model lost its way and produced no picture. Another seed or a lower guidance helps.",
    "cancelled": "Cancelled.",
    "check": "I cannot check pictures at the moment, so I show none. Please try again in a few minutes.",
    "failed": "Something went wrong while drawing.",
    "held": "This is held back: a moderator is to decide whether it may be shown, or has decided that it may not.",
    "input_gone": "The {role} that this begins with is no longer kept.",
    "interrupted": f"I was restarted before this was done. {NOT_COUNTED} Please ask again.",
    "kept_back": f"What was drawn was held back, and it is not shown. {NOT_COUNTED}",
    "lora_unavailable": f"A LoRA of this cannot be used any more, or was replaced. {NOT_COUNTED}",
    "manage_server": "Only those who may manage this server (Manage Server) may do that.",
    "model_unavailable": "The model {model} cannot be loaded at the moment.",
    "no_picture": "There is no picture in this message.",
    "no_result": "There are no finished pictures of yours there. `/imagine` draws some.",
    "list_full": "The list has {most} {kind}, and no room for more.",
    "not_in_direct_messages": "I draw on servers only, not in direct messages.",
    "nothing_to_cancel": "You have no job waiting or running.",
    "operator": "Only who owns this bot's application may do that.",
    "out_of_memory": "A picture of {width}x{height} does not fit into this device's memory. A smaller size will work.",
    "picture_gone": "The file of this picture is no longer kept. Its message may show it, and **Rerun** draws anew.",
    "picture_lost": "The file of this picture is lost. Its message may show it, and **Rerun** draws anew.",
    "postponed": "I am restarting. This keeps its place and goes on by itself.",
    "quarantined": f"I crashed twice while drawing this, so I have set it aside. {NOT_COUNTED}",
    "queue_full": "The queue is full: {capacity} jobs are waiting. Please try again in a few minutes.",
    "requester_or_moderator": "Only its requester, or a moderator (Manage Messages), may do that.",
    "review": "Only a moderator of the moderators' channel (Manage Messages there), or Manage Server, may decide that.",
    "shutting_down": "I am about to restart and take no new jobs. Please try again in a minute.",
    "question_gone": "This question is answered already, or too old. Nothing was drawn by this press; ask again.",
    "stale_button": "I do not know this button or form any more.",
    "storage": "I cannot reach my records at the moment. Please try again in a minute.",
    "too_busy": "I am very busy right now and could not take this in time. Nothing was started; please try again.",
    "use_commands": "You may not use `/imagine` in this channel, and this button or reaction does the same.",
    "too_large": "This picture is as large already as its model, or your limit here, allows.",
    "unknown_worker": "There is no such worker any more, or it cannot be drained.",
    "unknown_job": "I do not know this job, or it was deleted.",
    "words": f"Something in it is no longer allowed on its server, so I did not draw it. {NOT_COUNTED}",
    "unsafe_input": "I found this picture unsuitable for this channel, so I do not draw from it.",
}

#: Ends whose words need no fields.
_END_CODES = (
    "quarantined",
    "interrupted",
    "storage",
    "broken_image",
    "kept_back",
    "lora_unavailable",
    "words",
)

#: What a server's list of words found something in.
_WORDS_IN = {
    "prompt": "your prompt",
    "negative_prompt": "your negative prompt",
    "image": "the parameters that the picture's file carries",
    "job": "this job",
}

#: Why a pattern cannot be taken.
_BAD_PATTERNS = {
    "length": "must be at most {most} characters long",
    "nesting": "has too many groups, or groups in groups: at most 10, and {most} deep",
    "repeats": "counts too far: each count may be {most} at most, all of them multiplied 2500",
    "form": "has something in it that patterns here do without: groups are (...), (?:...), (?>...) and looks around, "
    "repeats are ?, *, + and {{2,5}}",
    "syntax": "is no regular expression",
    "slow": "is too slow",
    "everything": "matches every text",
}


def words_for(error: BaseException, *, doing: str) -> str:
    """What to tell the member who met this error; logged here, `doing` says what was going on."""
    if isinstance(error, app_commands.CommandInvokeError):
        error = error.original
    match error:
        case WorkerFault():
            pass  # the worker has logged the trace under the same reference
        case Refusal() | JobStopped() | CheckFault():  # of a fault of the check the operator is told once, elsewhere
            log.info("%s: %s", doing, error)
        case KnownError():
            log.warning("%s: %s", doing, error)
        case app_commands.CheckFailure() | app_commands.TransformerError():
            log.info("%s: refused, %r", doing, error)
            return "That is not possible here, or not allowed to you."
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            log.warning("%s: Discord's copy of the commands is out of date: %r", doing, error)
            return "This command has just changed. Please reload Discord (Ctrl+R) and try again."
        case _:
            reference = new_reference()
            log.error("%s: unexpected error, reference %s", doing, reference, exc_info=error)
            return with_reference("Something went wrong on my side.", reference)
    return member_words(error)


def member_words(error: KnownError) -> str:
    """What an error of ours means for a member."""
    match error:
        case InvalidRequest():
            return _invalid(error)
        case BadPicture():
            return f"{bad_picture(error)}."
        case LoraRefused():
            return f"{lora_words(error, shown=text.shown)}."
        case LoraUnavailable():
            return f"{lora_words(error, shown=text.shown)}. {NOT_COUNTED}"
        case LimitReached():
            return _limit_reached(error)
        case Blocked():
            said = f" The reason given: {error.reason}" if error.reason else ""
            return f"An admin of this server has blocked you from asking for pictures here.{said}"
        case TooManyStrikes():
            kept_back = text.counted(error.strikes, "picture")
            frees_up = f"<t:{math.ceil(error.until.timestamp())}:R>"
            return f"Moderators here kept back {kept_back} of yours. You can ask for new ones again {frees_up}."
        case AlreadyDecided():
            return _already_decided(error)
        case WordRefused():
            return f"Something in {_WORDS_IN[error.where]} is not allowed on this server. Nothing was started."
        case BadPattern():
            return f"The pattern {_BAD_PATTERNS[error.reason].format(most=error.most)}."
        case NotInThisChannel() | RoleNeeded() | TooNew() | ModelReserved():
            return access.refusal(error)
        case NotAllowed():
            return _SENTENCES[error.needed]
        case MissingPermissions():
            return _missing(error.names)
        case WorkerFault():
            return with_reference(_SENTENCES["failed"], error.reference)
        case PictureGone(reason="lost"):
            return _SENTENCES["picture_lost"]
        case _:
            fields = {name: text.shown(str(value)) for name, value in error.fields.items()}
            return _SENTENCES.get(error.code, _SENTENCES["failed"]).format(**fields)


def end_of(error: BaseException, requester: str, *, doing: str) -> str:
    """What a job's message says of an end that was not its pictures; logged as by `words_for`."""
    words = words_for(error, doing=doing)
    by_another = isinstance(error, Cancelled) and error.by not in (None, requester)
    return f"Cancelled by a moderator. {NOT_COUNTED}" if by_another else words


def end_in_row(job: JobRecord) -> str:
    """The same, as far as an ended job's row knows."""
    if job.error_code == Cancelled.code:
        return end_of(Cancelled(job.ended_by), job.requester, doing=f"job {job.id}")
    if job.error_code == "quarantined" and job.server is not None:
        return f"{_SENTENCES['quarantined']} An admin of the server can let it try once more."
    if job.error_code in _END_CODES:
        return _SENTENCES[job.error_code]
    return f"{_SENTENCES['failed']} {NOT_COUNTED}"


def with_reference(sentence: str, reference: str) -> str:
    """The sentence with the id to hand to the operator."""
    return f"{sentence} If it happens again, tell whoever runs me this reference: `{reference}`."


def _invalid(error: InvalidRequest) -> str:
    if error.field == "permutations":
        if error.rule == "range":
            return f"That makes **{error.given} pictures**; one prompt may ask for at most {error.most:g}."
        return f"A prompt with `{{a, b}}` in it {demand(error)}."
    given = repr(error.given) if len(repr(error.given)) <= 60 else repr(error.given)[:57] + "..."
    said = "" if error.given is None else f"; you gave {given}"
    nearest = get_close_matches(str(error.given), error.choices, 1) if error.rule == "choice" else ()
    meant = "".join(f" Do you mean **{text.shown(one)}**?" for one in nearest)
    return f"**{error.field.replace('_', ' ')}** {demand(error)}{said}.{meant}"


def _limit_reached(error: LimitReached) -> str:
    kind = KINDS[error.limit]
    # Rounded up: at the second that is shown it must really be over.
    frees_up = "" if error.resets_at is None else f" It frees up <t:{math.ceil(error.resets_at.timestamp())}:R>."
    limit = f"**{kind.title}**: your limit here is {text.amount(kind, error.value)}."
    match kind.rule:
        case LimitRule.DAY:
            left = text.amount(kind, max(error.value - error.used, 0))
            return f"{limit} Today you have {left} left and asked for {text.amount(kind, error.asked)}.{frees_up}"
        case LimitRule.NOW:
            doing = f"You have {error.used:g} waiting or running."
            return f"{limit} {doing} It frees up as soon as one is done." if error.value else f"{limit} {doing}"
        case LimitRule.PAUSE:
            next_one = "" if error.resets_at is None else f"; the next {frees_up.removeprefix(' It frees up ')}"
            return f"**{kind.title}**: you can start one job every {text.amount(kind, error.value)} here{next_one}"
        case _:
            return f"{limit} You asked for {text.amount(kind, error.asked)}."


def _already_decided(error: AlreadyDecided) -> str:
    if error.by is None:
        return "Nobody decided about this picture in time, so it is kept back."
    did = "let this picture through" if Decision(error.decision).is_let_through else "kept this picture back"
    return f"That is decided already: <@{error.by}> {did}."


def _missing(names: tuple[str, ...]) -> str:
    listed = " and ".join(", ".join(f"**{text.permission(name)}**" for name in names).rsplit(", ", 1))
    plural = "permission" if len(names) == 1 else "permissions"
    return f"I lack the {plural} {listed} in this channel. Nothing was drawn; an admin can grant it."
