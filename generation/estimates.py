"""What a job will cost in device seconds, learnt from what jobs like it have cost on this machine."""

from collections import defaultdict, deque
from collections.abc import Iterable
from statistics import median
from typing import TypeAlias

from generation.catalog import ModelSpec
from generation.request import GenerationRequest

REMEMBERED = 32  #: jobs of one model and size; the machine's load today counts, not last month's
ENCODE_ROWS = 1.4  #: and encoding a picture that a job begins with (1.12 TFLOP)
DECODE_ROWS = 3  #: decoding an image costs about as much as this many U-Net rows (SD 1.5: 2.51 to 0.80 TFLOP)

_ORDINARY = ModelSpec(name="", source="")

_Shape: TypeAlias = tuple[str, int, int]  #: model, width, height


class Estimates:
    """Device seconds of a row of a step, by model and size: the median of the last jobs. Plain data."""

    def __init__(self, specs: Iterable[ModelSpec] = ()) -> None:
        """`specs` are the models on offer; any other one is taken for an ordinary one."""
        self._specs = {spec.name: spec for spec in specs}
        self._measured: defaultdict[_Shape, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._seconds_a_row: dict[_Shape, float] = {}
        self.lessons = 0  #: learnt so far

    def learn(self, request: GenerationRequest, device_seconds: float) -> None:
        """Learn from a job that was drawn in so many device seconds."""
        if device_seconds > 0:
            measured = self._measured[_shape(request)]
            measured.append(device_seconds / self._rows(request))
            self.lessons += 1
            self._seconds_a_row[_shape(request)] = median(measured)

    def seconds(self, request: GenerationRequest) -> float | None:
        """Estimate the device seconds of such a job; None while this model has drawn nothing yet.

        A size that was never drawn is judged by the one nearest in pixels, in proportion to them.
        """
        shape = _shape(request)
        if (known := self._seconds_a_row.get(shape)) is not None:
            return known * self._rows(request)
        pixels = request.width * request.height
        others = [
            (width * height, rate) for (model, width, height), rate in self._seconds_a_row.items() if model == shape[0]
        ]
        if not others:
            return None
        nearest, rate = min(others, key=lambda other: abs(other[0] - pixels))
        return rate * pixels / nearest * self._rows(request)

    def _rows(self, request: GenerationRequest) -> float:
        """Count the rows of the model's calls that the whole job takes; decoding and encoding count as some."""
        rows = self._specs.get(request.model, _ORDINARY).rows(request.guidance_scale)
        encoded = (request.source is not None) + (request.mask is not None)
        return request.count * (request.drawn_steps * rows + DECODE_ROWS) + ENCODE_ROWS * encoded

    def cost(self, request: GenerationRequest) -> float:
        """Estimate the same, or guess: with nothing measured of this model, as if its rows took what others' take."""
        seconds = self.seconds(request)
        if seconds is None:
            seconds = self._rows(request) * median(self._seconds_a_row.values() or [1.0])
        return seconds


def _shape(request: GenerationRequest) -> _Shape:
    return request.model, request.width, request.height
