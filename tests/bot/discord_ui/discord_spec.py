"""Checks what the bot sent against Discord's published OpenAPI description.

The description knows lengths, item counts and enums. It does not know permissions, rate limits or file sizes, and it
does not forbid unknown keys: those are looked for here.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

#: What discord.py always sends and the description leaves out.
ALLOWED_KEYS = frozenset({"flags", "tts", "nsfw"})
_SNOWFLAKE = "^(0|[1-9][0-9]*)$"


class DiscordSpec:
    """Discord's description of its own HTTP API."""

    def __init__(self, file: Path) -> None:
        self._document: dict[str, Any] = _lenient(json.loads(file.read_text()))
        # Media channels (16) are in Discord's documentation and not in its description; discord.py asks for them as
        # forums.
        self._document["components"]["schemas"]["ChannelTypes"]["anyOf"].append({"const": 16})
        self._routes = [(_pattern(path), path) for path in self._document["paths"]]
        self._validators: dict[tuple[str, str], Draft202012Validator | None] = {}
        self._found: dict[tuple[str, str, str], list[str]] = {}
        self.checked = 0  #: bodies, over the life of this object

    def mistakes(self, method: str, path: str, body: Any) -> list[str]:
        """What Discord would not accept about this request."""
        template = self._template(path)
        if template is None or method.lower() not in self._document["paths"][template]:
            return [f"{method} {path}: no such route"]
        validator = self._validator(method.lower(), template)
        if body is None or validator is None:
            return []
        self.checked += 1
        known = (method, template, json.dumps(body, sort_keys=True))
        if known not in self._found:  # each test registers the same commands
            self._found[known] = self._look(validator, body)
        return [f"{method} {path}: {found}" for found in self._found[known]]

    def _look(self, validator: Draft202012Validator, body: Any) -> list[str]:
        schema = validator.schema
        assert isinstance(schema, dict)
        found = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(body)]
        return found + [f"unknown key {key}" for key in self._unknown(body, schema)]

    def _template(self, path: str) -> str | None:
        fitting = [template for pattern, template in self._routes if pattern.fullmatch(path)]
        return max(fitting, key=lambda template: -template.count("{"), default=None)

    def _validator(self, method: str, template: str) -> Draft202012Validator | None:
        key = (method, template)
        if key not in self._validators:
            body = self._document["paths"][template][method].get("requestBody")
            schema = body["content"]["application/json"]["schema"] if body else None
            whole = {**schema, "components": self._document["components"]} if schema else None
            self._validators[key] = Draft202012Validator(whole) if whole else None
        return self._validators[key]

    def _unknown(self, value: Any, schema: dict[str, Any], at: str = "$") -> Iterable[str]:
        """Keys of objects that no branch of their schema names."""
        branches = list(self._branches(schema))
        if isinstance(value, list):
            items = [branch["items"] for branch in branches if isinstance(branch.get("items"), dict)]
            for index, item in enumerate(value):
                yield from self._unknown(item, {"anyOf": items}, f"{at}[{index}]")
        if not isinstance(value, dict):
            return
        known: dict[str, list[Any]] = {}
        for branch in branches:
            if branch.get("additionalProperties"):
                return
            for name, property_schema in branch.get("properties", {}).items():
                known.setdefault(name, []).append(property_schema)
        for name, item in value.items() if known else ():
            if name in known:
                yield from self._unknown(item, {"anyOf": known[name]}, f"{at}.{name}")
            elif name not in ALLOWED_KEYS:
                yield f"{at}.{name}"

    def _branches(self, schema: dict[str, Any]) -> Iterable[dict[str, Any]]:
        if "$ref" in schema:
            yield from self._branches(self._document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
        yield schema
        for group in ("anyOf", "oneOf", "allOf"):
            for branch in schema.get(group, ()):
                yield from self._branches(branch)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(
        "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"({[^}]+})", path))
    )


def _lenient(schema: Any) -> Any:
    """oneOf read as anyOf (its branches overlap), and snowflakes may be integers (discord.py sends them so)."""
    if isinstance(schema, list):
        return [_lenient(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {("anyOf" if key == "oneOf" else key): _lenient(value) for key, value in schema.items()}
    if result.get("format") == "snowflake" or result.get("pattern") == _SNOWFLAKE:
        result = {"type": ["string", "integer", "null"]}
    return result
