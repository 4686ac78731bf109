"""Reads the `parameters` text that other tools read; a second pair of eyes on what the bot writes."""

import re

_NEGATIVE = "Negative prompt: "
_FIELD = re.compile(r'\s*([\w ]+):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')


def parse_parameters(text: str) -> dict[str, str]:
    """The fields by name, with "Prompt" and "Negative prompt" beside them; text in no known form is a prompt."""
    lines = text.strip().split("\n")
    fields: dict[str, str] = {}
    if re.match(r"Steps: \d+", lines[-1]):
        fields = {name.strip(): _unquoted(value.strip()) for name, value in _FIELD.findall(lines.pop())}
    body = "\n".join(lines)
    prompt, negative, after = (
        ("", _NEGATIVE, body[len(_NEGATIVE) :]) if body.startswith(_NEGATIVE) else body.partition("\n" + _NEGATIVE)
    )
    return {"Prompt": prompt, **({"Negative prompt": after} if negative else {}), **fields}


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
