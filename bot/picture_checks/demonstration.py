"""A checker for the demonstration: it goes by one word of what was asked for, and never looks at a picture.

So holding, deciding and delivering can be tried without a picture that anybody would mind. Pictures of the built-in
model are no exception to it.
"""

import re

from bot.errors import CheckFault

WORD = "secret"
_SCORE = 0.95  #: held under every policy but off
_ASKED = re.compile(rf"\b{WORD}\b", re.IGNORECASE)


class DemonstrationCheck:
    """Finds unsafe whatever was asked for with WORD, and nothing else."""

    def __init__(self) -> None:
        self._is_open = False

    async def start(self) -> None:
        self._is_open = True

    async def score(self, png: bytes, *, asked: str) -> float:
        if not self._is_open:
            raise CheckFault(detail="closed")
        return _SCORE if _ASKED.search(asked) else 0.0

    async def close(self) -> None:
        self._is_open = False
