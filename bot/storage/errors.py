"""What may go wrong between us and the disk.

KnownError                      (generation.errors)
└── StorageFault                the database or the disk does not answer as it should
"""

from generation.errors import KnownError


class StorageFault(KnownError):
    """The database is locked or gone, the disk is full, a file is missing: nothing that whoever asked could mend."""

    code = "storage"

    def __init__(self, *, detail: str = "") -> None:
        super().__init__("I cannot reach my records at the moment. Please try again in a minute.", detail=detail)
