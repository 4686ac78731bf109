"""What was asked for, as a row keeps it: one JSON record with one writer and one reader.

Stored requests are history: they are read as they are, though today's rules may refuse them. `version` is the form of
the record, `syntax` the rules by which its prompts are read; what a request is made from, such as pictures, will stand
under `inputs`.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from generation.request import GenerationRequest

VERSION = 1
SYNTAX = 1  #: a prompt is taken word for word

_FIELDS = [field.name for field in fields(GenerationRequest)]


def to_data(request: GenerationRequest) -> dict[str, Any]:
    """The record for a row."""
    return {"version": VERSION, "syntax": SYNTAX, **{name: getattr(request, name) for name in _FIELDS}}


def from_data(data: Mapping[str, Any]) -> GenerationRequest:
    """The request that a row has kept, checked by nobody."""
    return GenerationRequest.stored({name: data[name] for name in _FIELDS if name in data})
