"""Bring in torch, transformers and diffusers: seconds of imports, and half a million objects that stay."""

import gc
import importlib
import sys
import threading

HOME = "generation.diffusion.model_shelf"  #: the module whose import brings in all of them
_once = threading.Lock()


def import_libraries() -> None:
    """Import what draws, in whichever thread, out of the garbage collector's sight.

    While these objects are made it would go through them again and again, 0.7 s of a start of 4; and each of its full
    collections later would stop every thread, the event loop's too, for 0.2 s.
    """
    with _once:
        if HOME in sys.modules:
            return
        gc.disable()
        try:
            importlib.import_module(HOME)
            gc.freeze()  # before there is a model, which has to be collectable
        finally:
            gc.enable()
