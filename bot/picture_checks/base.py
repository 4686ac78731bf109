"""The seam of the picture check: what every checker can do."""

from typing import Protocol


class SafetyCheck(Protocol):
    """Says of one picture after another how unsafe it is. What is done about that is none of its business."""

    async def start(self) -> None:
        """Get ready; before the first `score`. Raises NoPictureCheck where that will not go by waiting."""
        ...

    async def score(self, png: bytes, *, asked: str) -> float:
        """Return how unsafe a PNG is, from 0.0 to 1.0; the same picture has the same score.

        `asked`: the prompt that it was drawn from, or nothing for a picture from outside. The event loop never waits
        for it. Raises CheckFault where the picture could not be looked at, within a bounded time: nothing is known of
        it then, and it is worth asking again.
        """
        ...

    async def close(self) -> None:
        """Let go of everything, within seconds even where a call hangs; what is asked afterwards is a CheckFault."""
        ...
