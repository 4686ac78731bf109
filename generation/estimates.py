"""What a job will cost in device seconds, learnt from what jobs like it have cost here.

Devices may differ. Who gets a job next is not known, so an estimate is the mean over the devices, by how many of the
last jobs each kind has drawn: that is what all of them together need for it.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from statistics import median
from typing import TypeAlias

from generation.catalog import ModelSpec
from generation.request import GenerationRequest

REMEMBERED = 32  #: jobs of one model and size; the machine's load today counts, not last month's
ENCODE_ROWS = 1.4  #: and encoding a picture that a job begins with (1.12 TFLOP)
DECODE_ROWS = 3  #: decoding an image costs about as much as this many U-Net rows (SD 1.5: 2.51 to 0.80 TFLOP)

IMAGES_IN_A_LOAD = 8.0  #: a model of a few GB is loaded in about their time

_ORDINARY = ModelSpec(name="", source="")

_Shape: TypeAlias = tuple[str, int, int]  #: model, width, height


class Estimates:
    """Device seconds of a row of a step, by model and size, from the last jobs. Plain data."""

    def __init__(self, specs: Iterable[ModelSpec] = ()) -> None:
        """`specs` are the models on offer; any other one is taken for an ordinary one."""
        self._specs = {spec.name: spec for spec in specs}
        self._measured: defaultdict[_Shape, deque[tuple[str, float]]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._seconds_a_row: dict[_Shape, float] = {}
        self._image_seconds: deque[float] = deque(maxlen=REMEMBERED)
        self._load_seconds: deque[float] = deque(maxlen=REMEMBERED)
        self.lessons = 0  #: learnt so far

    def learn(self, request: GenerationRequest, device_seconds: float, device: str = "") -> None:
        """Learn from a job that took so many seconds on this kind of device; passes share them as was expected."""
        if device_seconds <= 0:
            return
        parts = list(self._parts(request))
        rates = [self._rate(shape) or float(shape[1] * shape[2]) for shape, _ in parts]
        expected = sum(rate * rows for rate, (_, rows) in zip(rates, parts, strict=True))
        for rate, (shape, _) in zip(rates, parts, strict=True):
            measured = self._measured[shape]
            measured.append((device, rate * device_seconds / expected))
            self._seconds_a_row[shape] = _over_devices(measured)
        self._image_seconds.append(device_seconds / request.count)
        self.lessons += 1

    def learn_load(self, seconds: float) -> None:
        """Learn from a model that was loaded in so many seconds."""
        self._load_seconds.append(seconds)

    @property
    def images_in_a_load(self) -> float:
        """Images that a worker draws in the time in which it loads a model; a guess until both were measured."""
        if not self._image_seconds or not self._load_seconds:
            return IMAGES_IN_A_LOAD
        return median(self._load_seconds) / median(self._image_seconds)

    def seconds(self, request: GenerationRequest) -> float | None:
        """Estimate the device seconds of such a job; None while this model has drawn nothing yet."""
        seconds = 0.0
        for shape, rows in self._parts(request):
            if (rate := self._rate(shape)) is None:
                return None
            seconds += rate * rows
        return seconds

    def _rate(self, shape: _Shape) -> float | None:
        """Estimate the seconds of a row; None while this model has drawn nothing yet.

        A size that was never drawn is judged by the one nearest in pixels, in proportion to them.
        """
        if (known := self._seconds_a_row.get(shape)) is not None:
            return known
        pixels = shape[1] * shape[2]
        others = [
            (width * height, rate) for (model, width, height), rate in self._seconds_a_row.items() if model == shape[0]
        ]
        if not others:
            return None
        nearest, rate = min(others, key=lambda other: abs(other[0] - pixels))
        return rate * pixels / nearest

    def _parts(self, request: GenerationRequest) -> Iterator[tuple[_Shape, float]]:
        """Count the rows of the model's calls that each pass takes; decoding and encoding count as some.

        Images share the pictures that a job begins with; a tile or a second pass begins with one of its own.
        """
        rows = self._specs.get(request.model, _ORDINARY).rows(request.guidance_scale)
        for number, one in enumerate(request.passes):
            images = request.count * one.tiles
            encoded = (one.strength is not None) + (request.mask is not None)
            encoded *= images if number > 0 or one.tiles > 1 else 1
            work = images * (one.drawn_steps * rows + DECODE_ROWS) + ENCODE_ROWS * encoded
            yield (request.model, one.width, one.height), work

    def cost(self, request: GenerationRequest) -> float:
        """Estimate the same, or guess: with nothing measured of this model, as if its rows took what others' take."""
        seconds = self.seconds(request)
        if seconds is None:
            seconds = sum(rows for _, rows in self._parts(request)) * median(self._seconds_a_row.values() or [1.0])
        return seconds


def _over_devices(measured: Iterable[tuple[str, float]]) -> float:
    """Return the median of each kind of device, and of these the mean, by the jobs of each kind."""
    by_device: defaultdict[str, list[float]] = defaultdict(list)
    for device, seconds in measured:
        by_device[device].append(seconds)
    return sum(len(of_one) * median(of_one) for of_one in by_device.values()) / sum(map(len, by_device.values()))
