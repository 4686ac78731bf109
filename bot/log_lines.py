"""What the log says, without what would let its readers act in the bot's name."""

import logging
import re

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

#: An interaction's or webhook's token: in addresses, which libraries log and put into their errors' texts, and in
#: Discord's own events, which discord.py logs at DEBUG.
_TOKEN = re.compile(r"""(/(?:webhooks|interactions)/\d+/|['"]token['"]: ?['"])[^/\s?#'"<>)\],]+""")


class DiscreetFormatter(logging.Formatter):
    """Leaves tokens out of messages and traces alike: it looks at the final text."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the trace below it."""
        return _TOKEN.sub(r"\1[token]", super().format(record))


def log_to(handler: logging.Handler, level: str) -> None:
    """Send everything from this level on to this handler, and no tokens."""
    handler.setFormatter(DiscreetFormatter(FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
    # Libraries that tell each request; theirs only when something is wrong.
    for name in ("discord", "httpx", "alembic", "filelock", "urllib3"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
