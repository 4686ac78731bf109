"""Distrust: after a device was lost while graphs were in use, the next runs draw without them.

Else a graph that brings the device down would do so after every restart. A new torch is trusted again.
"""

import re
from pathlib import Path

import torch

_WORDS = """The device was lost while compiled or recorded graphs were in use, so pictures are drawn without them.
Delete this file to have them tried again.
"""


def distrust_file(cache: Path, device: torch.device) -> Path:
    """Return the path of the file that says so, for this torch on this device, whether it is there or not."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return cache / "graphs" / re.sub(r"[^\w.+-]+", "-", f"distrusted-{torch.__version__}-{name}.txt")


def write_distrust(file: Path) -> None:
    """Write the file, with words for the operator. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_WORDS, "utf-8")
