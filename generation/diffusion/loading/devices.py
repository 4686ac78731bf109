"""What torch here can draw on, found out without importing it: a mistyped DEVICE is named in a moment."""

import importlib.util
import re
import runpy
import sys
from pathlib import Path
from typing import Any

from generation.errors import ModelUnavailable

_KNOWN = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")


def require_device(name: str) -> None:
    """Raise ModelUnavailable for a device that nobody has, and for one that torch here is not built for."""
    if not _KNOWN.fullmatch(name):
        raise ModelUnavailable("?", "no_such_device", detail=name)
    if (name.startswith("cuda") and not _is_built_for_gpus()) or (name == "mps" and sys.platform != "darwin"):
        raise ModelUnavailable("?", "device_not_built", detail=name)


def identity(name: str) -> str:
    """Return the UUID of a GPU, by which it is known on whatever machine and by whatever number; "" for others.

    Imports torch where it is a GPU. Raises ModelUnavailable for one that is not there.
    """
    if not name.startswith("cuda"):
        return ""
    import torch

    cuda: Any = torch.cuda
    try:
        return str(getattr(cuda.get_device_properties(torch.device(name)), "uuid", ""))
    except (RuntimeError, AssertionError) as error:
        raise ModelUnavailable("?", "device_absent", detail=name) from error


def _is_built_for_gpus() -> bool:
    """Whether torch's own version file names CUDA, or ROCm, which goes by the name of CUDA there; True in doubt."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return True
    try:
        said = runpy.run_path(str(Path(spec.origin).with_name("version.py")))
    except OSError:
        return True
    return any(said.get(name) for name in ("cuda", "hip", "rocm")) if "cuda" in said else True
