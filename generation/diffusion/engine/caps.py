"""RowCaps: the most rows of a call for each kind of batch, on CUDA measured in idle time and remembered.

More rows in a call draw more images a second until the device is full; beyond that every image only waits longer. The
cap is that knee: rows are doubled while images a second rise by a tenth or more.
"""

import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from generation.diffusion.engine.batch import BatchKey
from generation.diffusion.failures import is_device_lost, is_out_of_memory
from generation.diffusion.families.base import Conditioning
from generation.diffusion.loading.model import LoadedModel
from generation.diffusion.transfer import to_device

log = logging.getLogger(__name__)

UNMEASURED = 8  #: the cap until the knee is known, and on every other device
FEWEST = 2  #: what one guided image needs
MOST = 32  #: rows that are tried
RISE = 1.1  #: times as many images a second are worth twice the rows
SPREAD = 0.1  #: between the fastest and the slowest of equal calls, as a share: timings that spread more say nothing
DAY = 86400.0  #: seconds until a kind is measured again
SHORTAGE = 7 * DAY  #: seconds for which a kind keeps its lower cap after memory ran out: others may have used it
_OVER = object()
_CALLS = 5  #: of each of two row counts, in turn, after one each that only warms up; the median counts


@dataclass(frozen=True, kw_only=True, slots=True)
class _Limits:
    """What is known of one kind of batch, in rows."""

    knee: int | None = None
    measured: float | None = None  #: seconds since 1970, whether anything came of it or not
    fits: int | None = None  #: after memory ran out
    until: float | None = None  #: seconds since 1970; memory that ran out may be back then, and all is tried again


class RowCaps:
    """The caps of one model. Only the thread that owns the device calls it."""

    def __init__(
        self,
        model: LoadedModel,
        *,
        fixed: int | None = None,
        cache: Path | None = None,
        most: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`fixed` is the cap instead of a measured one. The folder `cache` keeps what is known over a restart.

        `most` rows are tried at most, by default MOST on CUDA, and elsewhere nothing is.
        """
        self._model = model
        self._fixed = fixed
        self._most = most or (MOST if model.device.type == "cuda" else 0)
        self._clock = clock
        self._now = now
        self._file = None if cache is None else _LimitsFile(cache, model)
        self._limits: dict[BatchKey, _Limits] = {} if self._file is None else self._file.read()
        self._unmeasured: dict[BatchKey, Conditioning] = {}
        self._measuring: Iterator[None] | None = None
        self._under_way: BatchKey | None = None  #: what is being measured
        self._asked_for_native = False

    def cap(self, key: BatchKey) -> int:
        """Return the most rows for a call of this kind."""
        limits = self._known(key)
        wanted = self._fixed or limits.knee or UNMEASURED
        return wanted if limits.fits is None else min(wanted, limits.fits)

    def lower(self, key: BatchKey, rows: int) -> None:
        """Lower the cap for some days, after a restart too: memory ran out."""
        self._set(key, replace(self._known(key), fits=rows, until=self._now() + SHORTAGE))

    def _known(self, key: BatchKey) -> _Limits:
        limits = self._limits.get(key, _Limits())
        return _Limits() if limits.until is not None and limits.until <= self._now() else limits

    def expect(self, key: BatchKey, row: Conditioning) -> None:
        """Have a kind measured, because its images are drawn. `row` is the conditioning of one row to measure with."""
        measured = self._known(key).measured
        done = key == self._under_way or (measured is not None and self._now() < measured + DAY)
        if self._measures and not done:
            self._unmeasured.setdefault(key, row)

    @property
    def _measures(self) -> bool:
        return self._fixed is None and self._most > 0

    def measure(self) -> bool:
        """Make one call of what is left to measure; return whether there is more."""
        if not self._measures:
            return False
        if not self._asked_for_native:
            # Members will want it, and then there may never be idle time again.
            self._asked_for_native = True
            size = self._model.spec.native_size
            row = self._model.encode("", "", guidance_scale=1.0, width=size, height=size).positive
            self.expect((self._model.latent_shape(size, size), row.tokens), row)
        if self._measuring is None and self._unmeasured:
            self._under_way, row = self._unmeasured.popitem()
            self._measuring = self._find_knee(self._under_way, row)
        if self._measuring is not None and next(self._measuring, _OVER) is _OVER:
            self._measuring = self._under_way = None
        return self._measuring is not None or bool(self._unmeasured)

    def _find_knee(self, key: BatchKey, row: Conditioning) -> Iterator[None]:
        """Measure, yielding after each call; two row counts take turns, so that a noisy neighbour meets both."""
        rows, failure = FEWEST, None
        while 2 * rows <= self._most and failure is None:
            took: dict[int, list[float]] = {rows: [], 2 * rows: []}
            try:
                for count in [*took] * (_CALLS + 1):
                    took[count].append(self._seconds(key, row, count))
                    yield
            except Exception as error:
                if is_device_lost(error):
                    raise
                # No member waits for this, and "no more rows than these" is an answer too.
                failure = "memory" if is_out_of_memory(error) else repr(error)
                break
            calls = {count: seconds[1:] for count, seconds in took.items()}
            middle = {count: median(seconds) for count, seconds in calls.items()}
            if any(max(seconds) - min(seconds) > SPREAD * middle[count] for count, seconds in calls.items()):
                failure = f"timings that spread by more than {SPREAD:.0%}"
            elif 2 * middle[rows] < RISE * middle[2 * rows]:
                break
            else:
                rows *= 2
        known = replace(self._known(key), measured=self._now())
        if failure not in (None, "memory"):
            log.warning("the knee of %s could not be measured: %s", key, failure)
            self._limits[key] = known
            return
        known = replace(known, knee=rows)
        if failure is not None:
            self._model.release_memory()
            known = replace(known, until=self._now() + SHORTAGE)
        log.info("the knee of %s is at %d rows%s", key, rows, f", the end of {failure}" if failure else "")
        self._set(key, known)

    def _seconds(self, key: BatchKey, row: Conditioning, rows: int) -> float:
        """Time the eager call: only few rows have a graph, and compared with it no further row would seem to pay."""
        # Drawn on the CPU: the device's own generator is of no use after a recording that failed.
        latents = to_device(torch.randn(rows, *key[0], dtype=self._model.dtype), self._model.device)
        timesteps = to_device(torch.full((rows,), 500.0), self._model.device)
        conditioning = Conditioning.stack([row] * rows)
        self._model.synchronize()
        started = self._clock()
        self._model.predict_noise(latents, timesteps, conditioning, eager=True)
        self._model.synchronize()
        return self._clock() - started

    def _set(self, key: BatchKey, limits: _Limits) -> None:
        self._limits[key] = limits
        if self._file is not None:
            self._file.write(self._limits)


class _LimitsFile:
    """A JSON file for one model on one device. What cannot be read or written is measured again."""

    def __init__(self, folder: Path, model: LoadedModel) -> None:
        cuda = model.device.type == "cuda"
        self._of: dict[str, str | int] = {
            "model": model.spec.name,
            "weights": sum(parameter.numel() for parameter in model.family.parts.denoiser.parameters()),
            "dtype": str(model.dtype),
            "device": torch.cuda.get_device_name(model.device) if cuda else f"{model.device.type} {platform.machine()}",
            "memory": torch.cuda.mem_get_info(model.device)[1] if cuda else 0,
            "threads": 0 if cuda else model.threads,
            "torch": str(torch.__version__),
        }
        digest = hashlib.sha256(json.dumps(self._of).encode()).hexdigest()[:12]
        self._path = folder / f"row-caps-{digest}.json"

    def read(self) -> dict[BatchKey, _Limits]:
        try:
            written = json.loads(self._path.read_text("utf-8"))
            if written["of"] != self._of:
                raise ValueError("it is of another model or device")
            return dict(_limits_of(entry) for entry in written["limits"])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            log.warning("%s is not used, and measured again: %s", self._path, repr(error))
            return {}

    def write(self, limits: Mapping[BatchKey, _Limits]) -> None:
        entries = [{"latents": key[0], "tokens": key[1], **asdict(known)} for key, known in limits.items()]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = self._path.with_suffix(f".{os.getpid()}.part")
            part.write_text(json.dumps({"of": self._of, "limits": entries}, indent=2) + "\n", "utf-8")
            part.replace(self._path)
        except OSError as error:
            log.warning("%s cannot be written, so the next start measures again: %s", self._path, error)


def _limits_of(entry: dict[str, Any]) -> tuple[BatchKey, _Limits]:
    channels, height, width = map(int, entry["latents"])
    knee, fits, until, measured = entry["knee"], entry["fits"], entry["until"], entry.get("measured")
    if not all(rows is None or (isinstance(rows, int) and rows >= 1) for rows in (knee, fits)):
        raise ValueError("a number of rows that is none")
    if not all(time is None or isinstance(time, float) for time in (until, measured)):
        raise ValueError("a time that is none")
    limits = _Limits(knee=knee, measured=measured, fits=fits, until=until)
    return ((channels, height, width), int(entry["tokens"])), limits
