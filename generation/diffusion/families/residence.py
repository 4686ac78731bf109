"""Residence: a model's place on its device, which it leaves when nobody needs it."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from generation.diffusion.families.placement import MAIN_MEMORY, move

log = logging.getLogger(__name__)

SPARE_KEPT = 60.0  #: seconds of doing nothing until memory that is kept for the next job is given back


class Residence:
    """Gives back what an idle model holds: spare memory soon, and its place too where that is wanted."""

    def __init__(
        self,
        networks: Sequence[Any],
        device: torch.device,
        *,
        rest_after: float | None = None,
        leave: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """After `rest_after` idle seconds `leave` is called and the networks move to main memory; never, if None."""
        self._networks = networks
        self._device = device
        self._rest_after = None if device.type == MAIN_MEMORY.type else rest_after
        self._leave = leave
        self._clock = clock
        self._last_used = clock()
        self._holds_spare = True
        self.away = False  #: whether the networks are in main memory

    def use(self) -> None:
        """Come back to the device if the model is away. Called before any work."""
        self._last_used = self._clock()
        self._holds_spare = True
        if self.away:
            move(self._networks, self._device)
            self.away = False

    def idle(self) -> None:
        """Give back spare memory, and the model's place, when it is time for that."""
        unused = self._clock() - self._last_used
        if self._rest_after is not None and not self.away and unused >= self._rest_after:
            log.info("not used for %.0f s: the model moves to main memory", unused)
            self._leave()
            move(self._networks, MAIN_MEMORY)
            self.away = True
            self._holds_spare = True
        if self._holds_spare and unused >= SPARE_KEPT:
            self.release()
            self._holds_spare = False

    def release(self) -> None:
        """Give cached blocks of memory back to the device."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
