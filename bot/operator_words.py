"""Errors -> one plain line for the operator: what is wrong, and what to do about it."""

from bot.errors import (
    BackupRefused,
    CannotConnect,
    CannotListen,
    CheckFault,
    DatabaseInUse,
    DataInUse,
    NoPictureCheck,
    StorageFault,
    UnusableDatabase,
    WrongFolder,
)
from generation import operator_words as of_generation
from generation.errors import KnownError, WorkerLost

_CANNOT_CONNECT = {
    "no_token": "DISCORD_TOKEN is not set. `.venv/bin/python -m bot playground` needs none.",
    "token_refused": "Discord refused the token. Is DISCORD_TOKEN the bot's own, and whole?",
    "intents_refused": "Discord refused the intents this bot asks for.",
}

_NO_CHECK = {
    "not_installed": "Pictures are checked before anybody sees them, and the check is not installed: "
    "`pip install .[safety]`, or SAFETY=off for none",
    "does_not_load": "The picture check is installed and does not load: `pip install --force-reinstall .[safety]`, or "
    "SAFETY=off for none",
}

_UNUSABLE = {
    "damaged": "This is no database, or it is damaged; the last good copy can take its place",
    "not_ours": "This database has tables that are not this bot's",
    "newer": "A newer version of this bot has used this database; start that version",
    "no_place": "The database cannot be opened or made here",
    "missing": "There is no database here",
    "replaced": "The database's file was removed or replaced while I used it; stop me before you do that",
    "no_room": "The database has to be brought up to date, and the disk has too little room for that",
}


def operator_words(error: KnownError) -> str:
    """The line for the log."""
    match error:
        case CannotConnect():
            return _CANNOT_CONNECT[error.reason]
        case CannotListen():
            return (
                f"METRICS_PORT={error.port} cannot be used on {error.host}: {error.detail}. Write another port, or "
                "leave it empty for none."
            )
        case DataInUse(detail=""):
            return f"Another bot is running with DATA_DIR={error.folder}."
        case DataInUse():
            return f"DATA_DIR={error.folder} cannot be used: {error.detail}"
        case DatabaseInUse(was_ours=True):
            return f"Another bot has taken the database {error.where} while it was out of reach; I write nothing more."
        case DatabaseInUse():
            return f"Another bot is running with the database {error.where}."
        case WrongFolder():
            return (
                f"DATA_DIR={error.folder} is not the folder this database was used with: its pictures are elsewhere. "
                f"If they are lost, or you have put them here, write {error.database} into {error.file}."
            )
        case BackupRefused(reason="not_sqlite"):
            return "Only SQLite is copied here; use the database server's own tool, such as pg_dump."
        case BackupRefused():
            return f"{error.target} exists already, and nothing is written over it."
        case UnusableDatabase():
            return f"{_UNUSABLE[error.reason]}: {error.where}" + (f" ({error.detail})" if error.detail else "")
        case NoPictureCheck():
            return _NO_CHECK[error.reason] + (f" ({error.detail})" if error.detail else ".")
        case CheckFault():
            return f"Pictures cannot be checked, so they wait: {error.detail}"
        case StorageFault():
            return f"The database or the disk does not answer as it should: {error.detail}"
        case WorkerLost():
            return f"{of_generation.operator_words(error)}. Start me again: all jobs go on."
        case _:
            return of_generation.operator_words(error)
