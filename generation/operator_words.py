"""Errors -> one plain line for the operator: what is wrong, and what to do about it."""

from generation.errors import (
    BrokenImage,
    DoesNotFit,
    InvalidRequest,
    KnownError,
    ModelUnavailable,
    NotLoaded,
    WorkerFault,
    WorkerLost,
)

_NOT_LOADED: dict[NotLoaded, str] = {
    "no_such_source": "there is no such folder or file, and it is no hub id like owner/name",
    "no_safetensors": "it is no safetensors file, and other formats can run code of whoever made them",
    "no_model_folder": "the folder holds no diffusers model",
    "hub_silent": "the hub did not give its configs",
    "turbo_without_config": "a single file of a Turbo model needs a folder of its configs: set MODEL_CONFIG",
    "same_name": "another model has the same name: rename the folder or file of one of them",
    "not_on_offer": "it is not among MODEL and MODELS",
    "does_not_load": "it does not load",
}


def operator_words(error: KnownError) -> str:
    """The line, without a full stop at its end where a library's own words follow."""
    match error:
        case ModelUnavailable():
            return _with_detail(f"The model {error.model} cannot be used: {_NOT_LOADED[error.reason]}", error.detail)
        case InvalidRequest():
            given = "" if error.given is None else f", not {error.given!r}"
            return f"{error.field} {demand(error)}{given}"
        case DoesNotFit():
            size = f"{error.width}x{error.height}"
            return f"A picture of {size} does not fit into this device's memory; a smaller size does"
        case BrokenImage():
            return "The model produced no picture (NaN or infinity); another seed, a lower guidance or float32 may help"
        case WorkerFault():
            return _with_detail(f"Drawing failed unexpectedly, reference {error.reference} in the log", error.detail)
        case WorkerLost():
            return _with_detail("The device stopped answering", error.detail)
        case _:
            return str(error)


def demand(error: InvalidRequest) -> str:
    """What the field must be, in words that suit members as well: "must be from 1 to 150"."""
    least, most = _number(error.least), _number(error.most)
    said = {
        "range": f"must be from {least} to {most}",
        "multiple": f"must be a multiple of {error.multiple_of} from {least} to {most}",
        "length": f"must be at most {most} characters long",
        "choice": "must be one of " + ", ".join(error.choices),
        "ratio": f"must be a ratio like 1:1, 3:2 or 9:16, at most {most}:1 or 1:{most}",
        "visible": "must be something to see",
        "missing": "needs one of " + ", ".join(error.choices),
        "conflict": "does not go together with " + ", ".join(error.choices),
    }[error.rule]
    return said if error.holds_for is None else f"{said} for {error.holds_for}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _with_detail(line: str, detail: str) -> str:
    return f"{line} ({detail})" if detail else line
