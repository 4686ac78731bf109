"""Bring in torch, transformers and diffusers: seconds of imports, and half a million objects that stay."""

import gc
import importlib
import sys
import threading

HOME = "generation.diffusion.engine.shelf"  #: the module whose import brings in all of them
_once = threading.Lock()


def import_libraries() -> None:
    """Import the libraries, in any thread, and keep their objects from the garbage collector.

    The collector would visit them again and again while they are made, 0.7 s of a start of 4; and each of its full
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
