"""`python -m generation.diffusion.compiled.graph_maker ORDER`: compiles graphs, in a process of its own beside the bot.

Compiling takes minutes of processor time; here, at low priority, nobody's picture waits for it. Weights are no part of
a graph, so the geometry is enough: no model file is read. It ends when its standard input does, with all that it has
started, so that nothing goes on compiling for a bot that is gone.
"""

import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

NICE = 10  #: how far to stand back behind the bot, of 19


def main() -> int:
    """Make each graph of the order; the exit status says whether all came out."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if hasattr(os, "nice"):
        os.nice(NICE)
    threading.Thread(target=_end_with_the_bot, name="bot watch", daemon=True).start()
    order: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    failed = 0
    for graph in order["graphs"]:
        try:
            make_graph(order, graph)
        except Exception:
            log.exception("no graph for %s", Path(graph["path"]).name)
            failed += 1
    return 1 if failed else 0


def make_graph(order: dict[str, Any], graph: dict[str, Any]) -> None:
    """Compile one part for one set of shapes into `graph["path"]`, which appears there whole or not at all."""
    import torch
    from torch._inductor import aoti_compile_and_package  # pyright: ignore[reportUnknownVariableType]

    from generation.diffusion.families.calls import build_part, example_inputs

    torch.set_num_threads(order["threads"])
    device = torch.device(order["device"])
    name = graph["part"]
    dtype = getattr(torch, order["parts"][name]["dtype"])
    part = build_part(name, order["parts"][name]["config"], device=device, dtype=dtype)
    inputs = example_inputs([shape and tuple(shape) for shape in graph["inputs"]], device=device, dtype=dtype)
    with torch.no_grad():
        program = torch.export.export(part.call, inputs)
    path = Path(graph["path"])
    partial = Path(order["work"]) / path.name
    aoti_compile_and_package(
        program,
        package_path=str(partial),
        inductor_configs={
            "aot_inductor.package_constants_in_so": False,
            # Short vectors would else be written into the code with the random values they have here.
            "always_keep_tensor_constants": True,
        },
    )
    partial.replace(path)
    log.info("made %s", path.name)


def _end_with_the_bot() -> None:
    """End when the bot closes its end of the pipe, as it does even when it is killed."""
    os.read(sys.stdin.fileno(), 1)  # not sys.stdin itself: its lock would still be held at a normal end
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)  # with the compilers it has started
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
