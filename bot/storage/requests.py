"""What was asked for, as a row keeps it: one JSON record with one writer and one reader.

Stored requests are history: they are read as they are, though today's rules may refuse them. `version` is the form of
the record, `syntax` the rules by which its prompts are read, word for word where it is missing; the pictures that a
request begins with stand under `inputs`, by role and sha256.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from generation.request import GenerationRequest

VERSION = 1

_ROLES = ("source", "mask")
_FIELDS = [field.name for field in fields(GenerationRequest)]


def to_data(request: GenerationRequest) -> dict[str, Any]:
    """The record for a row."""
    values = {name: getattr(request, name) for name in _FIELDS}
    values["loras"] = [asdict(use) for use in request.loras]
    inputs = {role: values.pop(role) for role in _ROLES}
    named = {role: digest for role, digest in inputs.items() if digest is not None}
    return {"version": VERSION, **values, "inputs": named}


def from_data(data: Mapping[str, Any]) -> GenerationRequest:
    """The request that a row has kept, checked by nobody."""
    known = {**data, **data.get("inputs", {})}
    return GenerationRequest.stored({name: known[name] for name in _FIELDS if name in known})
