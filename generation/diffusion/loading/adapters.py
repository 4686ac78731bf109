"""The LoRAs of one loaded model: those that were read lately, and the columns in which they stand side by side."""

from collections import OrderedDict
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from typing import TypeAlias

from generation.diffusion.families.base import Family
from generation.diffusion.families.lora_layers import Adapter, Columns, added
from generation.errors import LoraRefused, LoraUnavailable
from generation.loras import LoraUse

Wanted: TypeAlias = tuple[tuple[Adapter, float], ...]  #: the LoRAs of a job with their weights

KEPT_BYTES = 2**30  #: of files that were read, in main memory


class Adapters:
    """Only the worker's thread calls it."""

    def __init__(self, family: Family) -> None:
        parts = family.parts
        self.columns = Columns(parts.denoiser, most=family.spec.loras.columns, device=parts.device, dtype=parts.dtype)
        self._family = family
        self._read: OrderedDict[str, Adapter] = OrderedDict()  #: by sha256, the least recently used first

    def read(self, uses: Iterable[LoraUse]) -> Wanted:
        """Read the files of a request, as far as their weights are not 0. Raises LoraUnavailable."""
        return tuple((self._adapter(use), use.weight) for use in uses if use.weight)

    def _adapter(self, use: LoraUse) -> Adapter:
        adapter = self._read.pop(use.sha256, None)
        if adapter is None:
            try:
                file = self._family.spec.loras.get(use.name)
            except LoraRefused as refusal:
                raise LoraUnavailable(use.name, refusal.reason, detail=refusal.detail) from refusal
            if file.sha256 != use.sha256:
                raise LoraUnavailable(use.name, "replaced")
            adapter = self._family.parts.read_lora(file)
        self._read[use.sha256] = adapter
        while len(self._read) > 1 and sum(kept.nbytes for kept in self._read.values()) > KEPT_BYTES:
            self._read.popitem(last=False)
        return adapter

    def fit(self, together: Iterable[Wanted]) -> bool:
        """Whether the LoRAs of these jobs have no more ranks together than a call has columns."""
        ranks = {adapter.sha256: adapter.rank for wanted in together for adapter, _ in wanted}
        return sum(ranks.values()) <= self.columns.most

    @contextmanager
    def in_text_encoders(self, wanted: Wanted) -> Generator[None]:
        """Have prompts be encoded with these."""
        with ExitStack() as all_of_them:
            for number, encoder in enumerate(self._family.parts.text_encoders):
                layers = [(adapter.text_encoders[number], weight) for adapter, weight in wanted]
                all_of_them.enter_context(added(encoder, layers, self._family.parts.device))
            yield
