"""The check of what the bot sends is worth something only if it finds mistakes."""

import pytest

from tests.bot.discord_ui.discord_spec import DiscordSpec


@pytest.fixture
def spec(discord_spec: DiscordSpec | None) -> DiscordSpec:
    if discord_spec is None:
        pytest.skip("DISCORD_OPENAPI does not name Discord's API description")
    return discord_spec


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/channels/1/messages", {"content": "x" * 5000}),
        ("POST", "/channels/1/messages", {"content": "x", "colour": 1}),
        ("POST", "/channels/1/messages", {"content": "x", "embeds": [{"fields": [{"name": "n", "value": "v"}] * 26}]}),
        ("POST", "/channels/1/messages", {"embeds": [{"title": "t", "surprise": 1}]}),
        ("PUT", "/applications/1/commands", [{"name": "n" * 40, "description": "d", "type": 1}]),
        ("GET", "/nowhere", None),
    ],
)
def test_the_check_of_requests_finds_mistakes(spec: DiscordSpec, method: str, path: str, body: object) -> None:
    assert spec.mistakes(method, path, body)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/channels/1/messages", {"content": "x", "message_reference": {"message_id": 5, "channel_id": 6}}),
        ("POST", "/interactions/1/token/callback", {"type": 4, "data": {"content": "x", "tts": False, "flags": 64}}),
        ("PATCH", "/webhooks/1/token/messages/@original", {"content": "x", "attachments": []}),
        ("DELETE", "/channels/1/messages/2", None),
    ],
)
def test_the_check_of_requests_accepts_what_is_right(spec: DiscordSpec, method: str, path: str, body: object) -> None:
    assert spec.mistakes(method, path, body) == []
