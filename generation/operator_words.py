"""Errors -> one plain line for the operator: what is wrong, and what to do about it."""

from collections.abc import Callable

from generation.errors import (
    BadPicture,
    BrokenImage,
    DoesNotFit,
    InputGone,
    InvalidRequest,
    KnownError,
    LoraRefused,
    LoraUnavailable,
    ModelUnavailable,
    NotAdapted,
    NotLoaded,
    WorkerFault,
    WorkerLost,
)

_OWN_CONFIGS = "set MODEL_CONFIG (--config) to a folder with its configs and tokenizer"
_NOT_LOADED: dict[NotLoaded, str] = {
    "no_such_source": "there is no such folder or file, and it is no hub id like owner/name",
    "no_safetensors": "it is no safetensors file, and other formats can run code of their makers",
    "no_model": "it is no whole Stable Diffusion model. Set MODEL to a whole one: a diffusers folder, or a single "
    "safetensors file, for which MODEL_CONFIG can name a folder of configs",
    "no_model_folder": "the folder holds no diffusers model; a single file in it would have to be named itself, as "
    "MODEL, with MODEL_CONFIG for a folder of its configs",
    "broken_file": "the file does not keep to the safetensors format; download it again",
    "cut_short": "the file ends before its last tensor; download it again",
    "broken_config": "one of its configs makes no sense",
    "part_missing": "a part of it is missing; fetch the model again, or copy that part from the model it was made of",
    "part_pickled": "a part has its weights in a format that can run code of its makers; safetensors are needed",
    "parts_differ": "its parts do not belong together",
    "edits_pictures": "it edits or enlarges pictures in a way that I do not know",
    "other_family": "it is of a family that I do not draw with; I draw with Stable Diffusion 1, 2 and XL",
    "hub_silent": "the hub did not give its configs",
    "turbo_without_config": f"nothing in a single file of a Turbo model tells its schedule: {_OWN_CONFIGS}",
    "needs_config": f"a single file needs configs, and the hub did not give any: {_OWN_CONFIGS}",
    "same_name": "another model has the same name: rename the folder or file of one of them",
    "not_on_offer": "it is not among MODEL and MODELS",
    "no_such_device": "it is not known here: write auto, cpu, cuda, cuda:1 or mps",
    "device_absent": "there is none here that answers: write auto or cpu, or look at its driver",
    "device_not_built": "torch is built without it: write auto or cpu, or install a torch that is built for it",
    "device_taken": "another worker draws on it; name it in DEVICES, or leave it to the cluster",
    "other_version": "its process is of another version than this one, so this one has to be started anew",
    "does_not_load": "it does not load",
}
_SEEMS: dict[str, str] = {
    "controlnet": "a ControlNet",
    "embedding": "a textual inversion",
    "empty": "an empty file",
    "gguf": "a GGUF file",
    "ip_adapter": "an IP-Adapter",
    "lora": "a LoRA, which changes a model and is none",
    "pickle": "a pickled checkpoint, which can run code of its makers",
    "pointer": "a Git LFS pointer: `git lfs pull` fetches the file itself",
    "tensors": "a file of tensors that I do not know",
    "text_encoder": "a text encoder alone",
    "unet": "a U-Net alone",
    "vae": "a VAE alone",
    "web_page": "a web page, such as one that asks to log in",
}
_NOT_ADAPTED: dict[NotAdapted, str] = {
    "not_on_offer": "is not on offer",
    "same_name": "has the name of another file, which is taken: rename one of them",
    "broken_file": "is no whole safetensors file; download it again",
    "no_folder": "is no folder",
    "no_lora": "holds no LoRA",
    "dora": "is a DoRA, which I cannot draw with",
    "loha": "is a LoHa, which I cannot draw with",
    "lokr": "is a LoKr, which I cannot draw with",
    "other_kind": "is of a kind that I cannot draw with",
    "other_base": "was made for another kind of model",
    "half_missing": "lacks one of the two halves of a layer; download it again",
    "not_finite": "holds numbers that are not finite",
    "ranks": "has more ranks than a call has columns for",
    "gone": "is no longer there",
    "replaced": "is another file now than it was",
}
_DEVICES = ("no_such_device", "device_absent", "device_not_built", "device_taken")
_MOST = 300  #: characters of a library's own words


def operator_words(error: KnownError) -> str:
    """The line, without a full stop at its end where a library's own words follow."""
    match error:
        case ModelUnavailable(reason="no_model"):
            seems = _SEEMS.get(error.detail, error.detail)
            return f"The model {_short(error.model)} seems to be {seems}: {_NOT_LOADED['no_model']}"
        case ModelUnavailable() if error.reason in _DEVICES:
            named = f"The device {_short(error.detail)!r} (DEVICE, DEVICES, --device)"
            return f"{named} cannot be used: {_NOT_LOADED[error.reason]}"
        case ModelUnavailable():
            return _with_detail(
                f"The model {_short(error.model)} cannot be used: {_NOT_LOADED[error.reason]}", error.detail
            )
        case InvalidRequest():
            given = "" if error.given is None else f", not {error.given!r}"
            return f"{error.field} {demand(error)}{given}"
        case DoesNotFit():
            size = f"{error.width}x{error.height}"
            return f"A picture of {size} does not fit into this device's memory; a smaller size does"
        case LoraRefused() | LoraUnavailable():
            return _with_detail(lora_words(error, shown=_short), error.detail)
        case BadPicture():
            return _with_detail(bad_picture(error), error.detail)
        case InputGone():
            return f"The {error.role} that this begins with is no longer kept"
        case BrokenImage():
            return "The model produced no picture (NaN or infinity); another seed, a lower guidance or float32 may help"
        case WorkerFault():
            return _with_detail(f"Drawing failed unexpectedly, reference {error.reference} in the log", error.detail)
        case WorkerLost():
            return _with_detail("The device stopped answering", error.detail)
        case _:
            return str(error)


def bad_picture(error: BadPicture) -> str:
    """Why a picture to begin with cannot be taken, in words that suit members as well."""
    return (
        f"The {error.role} "
        + {
            "format": "must be a picture of one of these kinds: " + ", ".join(error.choices),
            "bytes": f"must be a file of at most {(error.most or 0) / 1e6:g} MB",
            "pixels": f"must have at most {(error.most or 0) / 1e6:g} megapixels",
            "broken": "is broken and cannot be read",
            "unreadable": "cannot be read",
        }[error.reason]
    )


def lora_words(error: LoraRefused | LoraUnavailable, *, shown: Callable[[str], str]) -> str:
    """Why a LoRA cannot be used, in words that suit members as well; `shown` makes a name fit to be said."""
    said = f"The LoRA {shown(error.name)} {_NOT_ADAPTED[error.reason]}"
    if isinstance(error, LoraUnavailable):
        return said
    if error.given is not None:
        said += f": {error.given}, not at most {error.most}"
    return f"{said}. Nearest: {shown(', '.join(error.nearest))}" if error.nearest else said


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
        "together": "goes only together with " + " and ".join(error.choices),
        "ratio_of": f"must be of the same shape as {', '.join(error.choices)}",
    }[error.rule]
    return said if error.holds_for is None else f"{said} for {error.holds_for}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _with_detail(line: str, detail: str) -> str:
    return f"{line} ({_short(detail)})" if detail.strip() else line


def _short(text: str) -> str:
    """One line of bearable length, whatever an operator or a library wrote."""
    said = " ".join(text.split())
    return said if len(said) <= _MOST else said[: _MOST - 3] + "..."
