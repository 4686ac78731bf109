"""Both error trees: codes and plain fields, no sentences; and words for members and for the operator."""

import ast
import inspect
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot import errors as bot_errors
from bot.discord_ui.words.errors import member_words
from bot.errors import (
    AlreadyDecided,
    AlreadyOver,
    BackupRefused,
    BadPattern,
    Blocked,
    CannotConnect,
    CannotListen,
    CheckFault,
    DatabaseInUse,
    DataInUse,
    Held,
    KeptBack,
    LimitReached,
    ListFull,
    MissingPermissions,
    ModelReserved,
    NoPicture,
    NoPictureCheck,
    NoResult,
    NotAllowed,
    NothingToCancel,
    NotInDirectMessages,
    NotInThisChannel,
    PictureGone,
    Quarantined,
    RoleNeeded,
    StaleButton,
    StorageFault,
    TooBusy,
    TooLarge,
    TooManyStrikes,
    TooNew,
    UnknownJob,
    UnknownWorker,
    UnsafeInput,
    UnusableDatabase,
    WordRefused,
    WrongFolder,
)
from bot.operator_words import operator_words
from generation import errors as generation_errors
from generation.errors import (
    BadPicture,
    BrokenImage,
    Cancelled,
    DoesNotFit,
    DrawingFailed,
    InputGone,
    Interrupted,
    InvalidRequest,
    JobStopped,
    KnownError,
    LoraRefused,
    LoraUnavailable,
    ModelUnavailable,
    Postponed,
    QueueFull,
    Refusal,
    ShuttingDown,
    WorkerFault,
    WorkerLost,
)

MIDNIGHT = datetime(2030, 1, 1, tzinfo=UTC)
FOR_MEMBERS = [
    AlreadyDecided("expired", None),
    AlreadyDecided("kept_back", "7"),
    AlreadyOver(),
    Blocked("spam"),
    BadPicture("image", "pixels", most=16_000_000),
    BadPattern("syntax", detail="missing ) at position 3"),
    BadPattern("nesting", most=4),
    BadPicture("mask", "broken", detail="SyntaxError: /secret/place"),
    BrokenImage(where="latents"),
    Cancelled("7"),
    CheckFault(detail="a thread hangs"),
    DoesNotFit(512, 640, detail="CUDA out of memory"),
    Held(),
    InputGone("image"),
    Interrupted(),
    InvalidRequest("steps", "range", 0, least=1, most=150),
    ListFull("patterns", 50),
    KeptBack(),
    LimitReached("images_a_day", 10, 2, 9, MIDNIGHT),
    LoraRefused("chalk", "ranks", given=320, most=256),
    LoraUnavailable("chalk", "gone", detail="/secret/place"),
    MissingPermissions(("attach_files", "send_messages_in_threads")),
    ModelReserved("pinwheel", ("7",)),
    ModelReserved("pinwheel", ()),
    ModelUnavailable("pinwheel", "no_such_source", detail="/secret/place"),
    NoPicture(),
    NoResult(),
    NotAllowed("manage_server"),
    NotAllowed("review"),
    NotInDirectMessages(),
    NotInThisChannel(tuple(map(str, range(12)))),
    NotInThisChannel(()),
    NothingToCancel(),
    PictureGone(),
    PictureGone("lost"),
    Postponed(),
    Quarantined(),
    QueueFull(1000),
    RoleNeeded(("7", "8")),
    RoleNeeded(()),
    ShuttingDown(),
    StaleButton(),
    StorageFault(detail="disk full"),
    TooBusy(),
    TooLarge(),
    TooManyStrikes(3, MIDNIGHT),
    TooNew(3, MIDNIGHT),
    TooNew(1, None),
    UnknownJob(),
    UnknownWorker(),
    WordRefused("prompt"),
    WordRefused("image"),
    UnsafeInput("image"),
    WorkerFault("abcd1234", detail="boom"),
]
FOR_THE_OPERATOR = [
    BackupRefused("target_exists", "copy.db"),
    BackupRefused("not_sqlite", "copy.db"),
    CannotConnect("token_refused"),
    CheckFault(detail="a thread hangs"),
    DataInUse("data"),
    DatabaseInUse("bot.db"),
    DatabaseInUse("bot.db", was_ours=True),
    WrongFolder("data", "an id", "data/identity"),
    DataInUse("data", detail="read-only file system"),
    InvalidRequest("steps", "range", 0, least=1, most=150),
    LoraRefused("chalk", "other_base", detail="SDXL"),
    ModelUnavailable("pinwheel", "no_such_source"),
    NoPictureCheck("not_installed"),
    NoPictureCheck("does_not_load", detail="cut short"),
    StorageFault(detail="disk full"),
    UnusableDatabase("damaged", "bot.db", detail="file is not a database"),
    UnusableDatabase("missing", "bot.db"),
    CannotListen("127.0.0.1", 9464, detail="Address already in use"),
    WorkerLost(detail="the kernel hangs"),
]
BRANCHES = {KnownError, Refusal, DrawingFailed, JobStopped}  #: never raised themselves
NOBODYS_MESSAGE = {
    BackupRefused,
    CannotConnect,
    CannotListen,
    DataInUse,
    DatabaseInUse,
    NoPictureCheck,
    UnusableDatabase,
    WrongFolder,
    WorkerLost,
}  #: no member can meet these


def tree(kind: type[KnownError] = KnownError) -> Iterator[type[KnownError]]:
    yield kind
    for branch in kind.__subclasses__():
        yield from tree(branch)


def test_every_error_is_tried_here() -> None:
    ours = {kind for kind in tree() if kind.__module__ in ("generation.errors", "bot.errors")}
    assert {type(error) for error in FOR_MEMBERS} == ours - BRANCHES - NOBODYS_MESSAGE
    assert {type(error) for error in FOR_THE_OPERATOR} >= NOBODYS_MESSAGE


def test_each_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in tree()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("module", [generation_errors, bot_errors], ids=lambda module: module.__name__)
def test_the_trees_hold_no_sentences_and_are_drawn_at_their_tops(module: object) -> None:
    source = Path(inspect.getfile(module)).read_text("utf-8")  # type: ignore[arg-type]
    top = ast.get_docstring(ast.parse(source)) or ""
    docstrings = {
        ast.get_docstring(node, clean=False)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    }
    texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    assert [text for text in texts if isinstance(text, str) and text.count(" ") > 1 and text not in docstrings] == []
    assert [name for name in re.findall(r"^class (\w+)", source, re.MULTILINE) if name not in top] == []


@pytest.mark.parametrize("error", [*FOR_MEMBERS, *FOR_THE_OPERATOR], ids=str)
def test_fields_are_plain_data(error: KnownError) -> None:
    again = json.loads(json.dumps(error.fields, default=datetime.isoformat))
    assert set(again) == set(error.fields)
    assert type(error)(**error.fields).fields == error.fields
    assert str(error).startswith(error.code)


@pytest.mark.parametrize("error", FOR_MEMBERS, ids=lambda error: error.code)
def test_each_error_has_a_sentence_for_members_and_none_of_its_details(error: KnownError) -> None:
    words = member_words(error)
    assert re.fullmatch(r"[A-Z*].*[.>`]|.* The reason given: spam", words), words
    assert "Something went wrong" not in words or isinstance(error, WorkerFault)
    assert not error.fields.get("detail") or error.fields["detail"] not in words


@pytest.mark.parametrize("error", FOR_THE_OPERATOR, ids=str)
def test_the_operator_reads_what_happened_and_no_sentence_for_members(error: KnownError) -> None:
    words = operator_words(error)
    assert " " in words
    assert words != member_words(error)
    assert "*" not in words
    assert "<t:" not in words
    assert error.fields.get("detail", "") in words


def test_the_second_a_limit_names_is_never_too_early() -> None:
    error = LimitReached("images_a_day", 1, 1, 1, datetime(2030, 1, 1, 0, 0, 0, 1, tzinfo=UTC))
    assert "<t:1893456001:R>" in member_words(error)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            LimitReached("images_a_day", 10, 2, 9, MIDNIGHT),
            "**pictures a day**: your limit here is 10. Today you have 1 left and asked for 2. "
            "It frees up <t:1893456000:R>.",
        ),
        (
            LimitReached("device_seconds_a_day", 600, 30.25, 590.5),
            "**device seconds a day**: your limit here is 600 s. Today you have 9.5 s left and asked for 30.2 s.",
        ),
        (
            LimitReached("jobs_at_once", 4, 1, 4),
            "**jobs at once**: your limit here is 4. You have 4 waiting or running. "
            "It frees up as soon as one is done.",
        ),
        (
            LimitReached("cooldown", 60, 0, 0, MIDNIGHT),
            "**cooldown**: you can start one job every 60 s here; the next <t:1893456000:R>.",
        ),
        (LimitReached("most_steps", 30, 50), "**most steps**: your limit here is 30. You asked for 50."),
        (
            LimitReached("largest_size", 512, 768),
            "**largest size**: your limit here is 512 pixels. You asked for 768 pixels.",
        ),
    ],
    ids=lambda value: value.limit if isinstance(value, LimitReached) else "",
)
def test_a_limit_says_what_it_is_and_what_is_left(error: LimitReached, words: str) -> None:
    assert member_words(error) == words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InvalidRequest("steps", "range", 0, least=1, most=150), "**steps** must be from 1 to 150; you gave 0."),
        (
            InvalidRequest("steps", "range", 51, least=1, most=50, holds_for="LCM"),
            "**steps** must be from 1 to 50 for LCM; you gave 51.",
        ),
        (
            InvalidRequest("seed", "range", -1, least=0, most=2**32 - 1),
            "**seed** must be from 0 to 4294967295; you gave -1.",
        ),
        (
            InvalidRequest("width", "multiple", 2048, multiple_of=64, least=256, most=1024, holds_for="sd"),
            "**width** must be a multiple of 64 from 256 to 1024 for sd; you gave 2048.",
        ),
        (
            InvalidRequest("negative_prompt", "length", 6001, most=6000),
            "**negative prompt** must be at most 6000 characters long; you gave 6001.",
        ),
        (
            InvalidRequest("model", "choice", "nope", choices=("builtin", "sd")),
            "**model** must be one of builtin, sd; you gave 'nope'.",
        ),
        (
            InvalidRequest("model", "choice", "bultin", choices=("builtin", "sd")),
            "**model** must be one of builtin, sd; you gave 'bultin'. Do you mean **builtin**?",
        ),
        (InvalidRequest("role", "conflict", choices=("member",)), "**role** does not go together with member."),
    ],
    ids=lambda value: value.rule if isinstance(value, InvalidRequest) else "",
)
def test_a_wrong_value_is_named_with_what_it_may_be(error: InvalidRequest, words: str) -> None:
    assert member_words(error) == words


def test_what_was_given_is_cut_in_words_and_in_the_log() -> None:
    error = InvalidRequest("aspect", "ratio", "x" * 1000, most=3)
    assert len(member_words(error)) < 250
    assert len(str(error)) < 200
