"""Forms: what is sent of a form when a member fills in a part of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from simcord.components import walk_components
from simcord.enums import ComponentType

_SEVERAL = (ComponentType.STRING_SELECT, ComponentType.CHECKBOX_GROUP)


def filled(modal: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values by custom_id, with files out of JSON, and what the form has there already for all that is left out."""
    return {**_filled_in_advance(modal), **{name: file(value) or value for name, value in values.items()}}


def file(value: Any) -> tuple[str, bytes] | list[tuple[str, bytes]] | None:
    """A file out of JSON, {"filename": ..., "base64": ...}, or a list of them; None for anything else."""
    if isinstance(value, Mapping) and "base64" in value:
        return value["filename"], base64.b64decode(value["base64"])
    if isinstance(value, list) and value and all(isinstance(one, Mapping) and "base64" in one for one in value):
        return [(one["filename"], base64.b64decode(one["base64"])) for one in value]
    return None


def _filled_in_advance(modal: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for component in walk_components(modal.get("components") or []):
        chosen = [option["value"] for option in component.get("options") or () if option.get("default")]
        kind = component.get("type")
        if kind == ComponentType.TEXT_INPUT and component.get("value"):
            values[component["custom_id"]] = component["value"]
        elif kind in _SEVERAL and chosen:
            values[component["custom_id"]] = chosen
        elif kind == ComponentType.RADIO_GROUP and chosen:
            values[component["custom_id"]] = chosen[0]
    return values
