"""The jobs that the device works for, in one small file beside the database: who was it, if the process dies now?"""

import json
import logging
from pathlib import Path
from uuid import UUID

from generation.job import JobId

log = logging.getLogger(__name__)

SUSPECTS = "drawing.json"  #: in the data folder


class SuspectsFile:
    """Written before the device works for other jobs than before, so it costs a few dozen microseconds and no sync.

    A process that is killed leaves it as it is. After a power cut it may be empty or of an earlier moment.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> frozenset[JobId] | None:
        """The jobs; None when that cannot be known."""
        try:
            return frozenset(UUID(written) for written in json.loads(self._path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            log.warning("%s cannot be read, so every job that was drawn is a suspect: %r", self._path, error)
            return None

    def write(self, jobs: frozenset[JobId]) -> None:
        """Replace the file as a whole. Where that fails, nobody shall be cleared by an older one. Raises nothing."""
        part = self._path.with_suffix(".part")
        try:
            part.write_text(json.dumps(sorted(map(str, jobs))), "utf-8")
            part.replace(self._path)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error)
            for path in (part, self._path):
                try:
                    path.unlink(missing_ok=True)
                except OSError:
                    log.exception("%s cannot be removed either", path)
