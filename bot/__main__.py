"""`python -m bot [run | playground | check | backup]`: the bot, a Discord to try it in, and its records' upkeep."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bot.log_lines import log_to
from bot.picture_checks.demonstration import WORD
from bot.settings import BadSettings, Settings, read_settings, unknown_names
from bot.storage.addresses import sqlite_url

if TYPE_CHECKING:
    from bot.app import MakeWorker

_DEMONSTRATION = f"Pictures asked for with the word “{WORD}” are held: a checker for the demonstration."


def main(*, make_worker: "MakeWorker | None" = None) -> int:
    """Start what the command line asks for; without a word, the bot if there is a token, else the playground."""
    options = _parser().parse_args()
    os.umask(0o077)  # what is made from here on is its owner's only
    try:
        settings = read_settings()
    except BadSettings as error:
        print(error, file=sys.stderr)
        return 1
    log_to(logging.StreamHandler(sys.stderr), settings.log_level)
    for name, nearest in unknown_names():
        logging.getLogger("bot").warning("%s in .env is no setting of this bot; do you mean %s?", name, nearest)
    if options.command == "run" or (options.command is None and settings.discord_token is not None):
        from bot.app import run
        from bot.process import EXIT_WORKER_LOST

        code = asyncio.run(run(settings, make_worker=make_worker))
        if code == EXIT_WORKER_LOST:
            # The interpreter's own end would wait for a device that answers no more; everything is written down.
            logging.shutdown()
            os._exit(code)
        return code
    if options.command in ("check", "backup"):
        from bot.process import EXIT_CANNOT_RUN, exit_code
        from bot.upkeep import back_up, check

        is_check = options.command == "check"
        work = (
            check(settings, mend=options.repair)
            if is_check
            else back_up(settings, options.file, pictures=options.pictures)
        )
        return min(asyncio.run(exit_code(work)), EXIT_CANNOT_RUN)  # nothing starts it again by itself
    if options.command is None:
        print("DISCORD_TOKEN is not set, so this is the playground: a simulated Discord on this computer.")
    return _playground(settings, options.port if options.command == "playground" else None)


def _playground(settings: Settings, port: int | None) -> int:
    try:
        from bot.playground import Actors, run_playground
    except ImportError as error:
        print(f"The playground needs its extra: pip install 'imagine-bot[playground]' ({error})", file=sys.stderr)
        return 1
    bot_command = [sys.executable, "-m", "bot", "run"]
    # A data folder of its own: the simulated server's ids mean nothing on the real one.
    data = (settings.folder / "playground").resolve()
    safety = settings.safety if "safety" in settings.model_fields_set else "demonstration"
    bot_env = {
        "DATA_DIR": str(data),
        "DATABASE_URL": sqlite_url(data / "bot.db"),
        # A checker that needs no unsafe picture to be tried out with, unless the operator has chosen one.
        "SAFETY": safety,
        "DRAIN_SECONDS": f"{min(settings.drain_seconds, 5.0):g}",  # nobody who tries something out waits long
    }
    messages = data.with_name("playground-messages")
    note = _DEMONSTRATION if safety == "demonstration" else None
    has_children = bool(settings.all_devices) and not settings.has_one_device
    cluster = settings.ray_address
    playing = run_playground(
        bot_command=bot_command,
        bot_env=bot_env,
        port=port,
        keep_in=messages,
        note=note,
        workers="generation.workers.child" if has_children else None,
        actors=Actors(kind="FarActor", address=cluster) if cluster else None,
    )
    return asyncio.run(playing)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="{run,playground,check,backup}")
    commands.add_parser("run", help="run the bot on Discord; needs DISCORD_TOKEN")
    playground = commands.add_parser("playground", help="a simulated Discord in the browser, with the bot in it")
    playground.add_argument("--port", type=int, help="port of the page (8400, or a free one when that is taken)")
    check = commands.add_parser("check", help="compare the database with the pictures on disk")
    check.add_argument("--repair", action="store_true", help="remove files of no job, hide jobs whose files are gone")
    backup = commands.add_parser("backup", help="copy the SQLite database while the bot runs")
    backup.add_argument("file", type=Path, help="a file that does not exist yet")
    backup.add_argument("--pictures", action="store_true", help="copy the pictures too, to FILE.images and FILE.inputs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
