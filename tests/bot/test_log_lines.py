"""The log: no token of an interaction in it, whoever wrote the line."""

import io
import logging
from collections.abc import Iterator

import pytest

from bot.log_lines import FORMAT, DiscreetFormatter

SECRET = "aW50ZXJhY3Rpb246MTIz.x-y_z%3D="
URL = f"https://discord.com/api/v10/webhooks/42/{SECRET}/messages/@original"


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger and what comes out of it."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(DiscreetFormatter(FORMAT))
    logger = logging.Logger("a library")
    logger.addHandler(handler)
    yield logger, text
    handler.close()


def test_an_address_in_a_line_keeps_its_token_to_itself(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, text = written
    logger.warning("We are being rate limited. %s %s responded with 429.", "PATCH", URL)
    logger.warning("POST https://discord.com/api/v10/interactions/43/%s/callback", SECRET)
    logger.warning("webhooks/44, last of all: '/webhooks/44/%s'", SECRET)
    assert SECRET not in text.getvalue()
    assert "PATCH https://discord.com/api/v10/webhooks/42/[token]/messages/@original responded" in text.getvalue()
    assert "/interactions/43/[token]/callback" in text.getvalue()
    assert "'/webhooks/44/[token]'" in text.getvalue()


def test_an_error_and_its_trace_tell_no_token(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, text = written
    try:
        raise TimeoutError(f"Connection timeout to host {URL}")
    except TimeoutError as error:
        logger.exception("not sent: %r", error)
    assert "Traceback" in text.getvalue()
    assert text.getvalue().count("/webhooks/42/[token]/messages/@original") == 2
    assert SECRET not in text.getvalue()


@pytest.mark.parametrize("event", [{"id": "1", "token": SECRET, "type": 2}, f'{{"token":"{SECRET}","type":2}}'])
def test_an_event_from_the_gateway_tells_no_token(event: object, written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, text = written
    logger.warning("WebSocket Event: %s", event)
    assert "[token]" in text.getvalue()
    assert SECRET not in text.getvalue()


def test_other_addresses_stay_whole(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, text = written
    logger.warning("GET https://discord.com/api/v10/channels/45/messages/46")
    assert "/channels/45/messages/46\n" in text.getvalue()
