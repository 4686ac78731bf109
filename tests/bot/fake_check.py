"""A picture check that says what a test wants to hear."""

from dataclasses import dataclass, field


@dataclass
class FakeCheck:
    """Finds every picture as unsafe as `score_of_all` says, or what was asked for with these words."""

    score_of_all: float = 0.0
    in_turn: list[float] = field(default_factory=list)  #: said first, one a picture
    by_words: dict[str, float] = field(default_factory=dict)
    fault: BaseException | None = None  #: raised in the place of an answer
    asked: list[str] = field(default_factory=list)  #: what was asked for, of each picture that was looked at

    async def start(self) -> None:
        """Nothing to get ready."""

    async def score(self, png: bytes, *, asked: str) -> float:
        self.asked.append(asked)
        if self.fault is not None:
            raise self.fault
        if self.in_turn:
            return self.in_turn.pop(0)
        return max((score for words, score in self.by_words.items() if words in asked), default=self.score_of_all)

    async def close(self) -> None:
        """Nothing to let go of."""
