"""Placement says which of several workers draws a job. A pure function: no asyncio, no clock.

A model costs seconds to load, in which its worker draws nothing. So a job goes where its model is: to the worker that
would draw it soonest while there is slack, and to the fullest that still draws it at once when there is a line, since
full calls draw more. A further worker loads a model only when what waits for it is worth that, and gets what comes for
the model meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

W = TypeVar("W")

WORTH_A_LOAD = 1.0  #: of the images that a worker draws while a model is loaded: so many waiting ones are worth it


@dataclass(frozen=True, kw_only=True, slots=True)
class Site(Generic[W]):
    """A worker, as one job sees it."""

    worker: W
    has_model: bool
    loads_it: bool = False  #: it has jobs for which it has to load the job's model
    is_last_copy: bool = False  #: the only one that has some model that jobs wait for
    has_room: bool  #: it may take the job now
    owed: int  #: images that it draws before the job
    places: int  #: images that it draws at a time


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """What waits beside the job."""

    same_model: int  #: images that wait for the job's model, its own among them
    others: int = 0  #: images of other jobs
    worth: float  #: images that a worker draws while a model is loaded


def place(sites: Sequence[Site[W]], images: int, line: Line) -> Site[W] | None:
    """Choose where a job of so many images goes, among those that have room; None: it is better to wait."""
    warm = [site for site in sites if site.has_model]
    if open_now := [site for site in warm if site.has_room]:
        at_once = [site for site in open_now if site.owed + images <= site.places]
        if line.others and at_once:
            return max(at_once, key=lambda site: site.owed)
        return min(open_now, key=lambda site: site.owed / site.places)
    if loading := [site for site in sites if site.loads_it]:
        return next((site for site in loading if site.has_room), None)
    cold = [site for site in sites if not site.has_model]
    wanted = not warm or line.same_model >= WORTH_A_LOAD * line.worth * len(warm)
    if wanted and (empty := [site for site in cold if site.has_room]):
        return min(empty, key=lambda site: (site.is_last_copy, site.owed))
    return None
