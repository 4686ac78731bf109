"""EqualShares is a virtual world in which every requester gets an equal share of the device. It says who is next.

The Fair Sojourn Protocol (Friedman and Henderson, "Fairness and efficiency in web server protocols", SIGMETRICS 2003):
imagine that the device were shared equally by all who have work, a requester's jobs one after the other, and a job
taking no more of it than its images can fill. The order in which jobs would be done there is the order in which they
are drawn here. So a short job passes somebody else's long one, a second job waits for everyone's first, nobody who asks
for much can hurry, and nobody starves. With one image at a time no job is later than by true sharing; with several this
holds approximately.

The virtual world serves as much work as the real device has done, not as much as its clock says: estimates that are
wrong and a device that stands still make neither run ahead of the other.

Shares are weighted. Weights share a group's turns among its requesters and win nothing against other groups: they are
scaled so that those of a group who have work have weight 1 on average. A plain data structure: no asyncio, no torch.
"""

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from itertools import groupby, islice

from generation.job import JobId

_LATE = 64  #: in a line of so many, one more may stand at its end until the next one comes; of ten times so many, ten
_SAME = (
    9  #: digits; moments that agree in so many are one, and of jobs that are done then the first to arrive goes first
)
_NOTHING = 1e-9  #: what is left of a job or of a place once the sums of floats have come to their end


@dataclass(slots=True, eq=False)
class _Share:
    """A job in the virtual world."""

    job_id: JobId
    arrival: int
    images: int
    work: float
    left: float  #: of the work


@dataclass(slots=True, eq=False)
class _Member:
    """A requester who has work there. Their jobs are served in the order of arrival."""

    weight: float
    group: str | None
    shares: deque[_Share] = field(default_factory=deque[_Share])
    scaled: float = 1.0  #: the weight among everybody's


class EqualShares:
    """The order in which jobs would be done if every requester had an equal share. Work is counted in any one unit."""

    def __init__(self) -> None:
        self._places = 1
        self._members: dict[str, _Member] = {}
        self._shares: dict[JobId, tuple[str, _Share]] = {}  #: jobs that are not done in the virtual world
        self._live: set[JobId] = set()
        self._done: list[JobId] = []  #: there, in this order
        self._unserved = 0.0  #: work that the device has done and the virtual world has not
        self._arrivals = 0
        self._order: tuple[JobId, ...] | None = None
        self._late = 0  #: jobs at the end of it that have not found their place yet
        self._changed = False  #: who has work, since the weights were scaled

    @property
    def places(self) -> int:
        """The images that are drawn at a time, when there are enough; 1 to begin with."""
        return self._places

    @places.setter
    def places(self, places: int) -> None:
        self._serve()
        self._places, self._order = places, None

    def add(
        self,
        job_id: JobId,
        requester: str,
        *,
        work: float,
        images: int,
        weight: float = 1.0,
        group: str | None = None,
    ) -> None:
        """Add a job of so much work, above 0, in images that can be drawn side by side.

        A requester's weight and group are those of their latest job; without a group the weight stands for itself.
        """
        self._serve()
        self._arrivals += 1
        share = _Share(job_id, self._arrivals, images, work, work)
        member = self._members.setdefault(requester, _Member(weight, group))
        member.weight, member.group = weight, group
        member.shares.append(share)
        self._shares[job_id] = requester, share
        self._live.add(job_id)
        self._changed = True
        # A thousand may come at once: to work the order out for each of them would take longer than they wait.
        self._late += 1
        late = self._order is not None and self._late <= len(self._order) // _LATE
        self._order = (*self._order, job_id) if late and self._order is not None else None

    def advance(self, work: float) -> None:
        """Note that the device has done so much work, whoever it was for."""
        self._unserved += work

    def estimate(self, job_id: JobId, work: float) -> None:
        """Change what a job is thought to need altogether."""
        self._serve()
        if (found := self._shares.get(job_id)) is not None and work != found[1].work:
            share = found[1]
            share.left, share.work = share.left / share.work * work, work
            self._order = None

    def end(self, job_id: JobId, *, done: float = 1.0) -> None:
        """Take out a job that is over, `done` of it drawn, from 0 to 1.

        What was done for it and not served yet its requester still has to pay with their share.
        """
        self._serve()
        self._live.discard(job_id)
        if (found := self._shares.get(job_id)) is not None:
            requester, share = found
            share.left -= (1 - done) * share.work
            if share.left <= 0:
                self._members[requester].shares.remove(share)
                del self._shares[job_id]
        else:
            self._done.remove(job_id)
        if not self._live:  # nobody waits, and nobody is owed anything
            self._members, self._shares = {}, {}
        self._order, self._changed = None, True

    def order(self) -> tuple[JobId, ...]:
        """List all jobs that are not over, the one to be drawn first in front.

        In a long line the newest few, one in `_LATE`, stand at the end until it is worked out again.
        """
        if self._order is None:
            self._late = 0
            self._serve()
            self._rescale()
            to_come = _served(map(_copied, self._members.values()), self._places)
            self._order = *self._done, *(share.job_id for share in _in_order(to_come) if share.job_id in self._live)
        return self._order

    def _serve(self) -> None:
        """Serve the work that the device has done."""
        if not self._unserved:
            return
        self._rescale()
        for share in _in_order(_served(self._members.values(), self._places, self._unserved)):
            del self._shares[share.job_id]
            if share.job_id in self._live:
                self._done.append(share.job_id)
        self._unserved = 0.0

    def _rescale(self) -> None:
        """Forget those who have no more work, and scale the weights of the others within their groups."""
        if not self._changed:
            return
        self._changed = False
        self._members = {who: member for who, member in self._members.items() if member.shares}
        weights: defaultdict[str, list[float]] = defaultdict(list)
        for member in self._members.values():
            if member.group is not None:
                weights[member.group].append(member.weight)
        means = {group: sum(theirs) / len(theirs) for group, theirs in weights.items()}
        for member in self._members.values():
            member.scaled = member.weight / (1.0 if member.group is None else means[member.group])


def _copied(member: _Member) -> _Member:
    shares = deque(_Share(it.job_id, it.arrival, it.images, it.work, it.left) for it in member.shares)
    return _Member(member.weight, member.group, shares, member.scaled)


def _in_order(done: Iterable[tuple[_Share, float]]) -> Iterator[_Share]:
    """Yield those that are done at one moment in the order of their arrival: sums of floats would say it by chance."""
    for _, together in groupby(done, key=lambda pair: f"{pair[1]:.{_SAME}g}"):
        yield from sorted((share for share, _ in together), key=lambda share: share.arrival)


def _served(members: Iterable[_Member], places: int, work: float = math.inf) -> list[tuple[_Share, float]]:
    """Serve so much work; return the jobs that are done then, each with the work after which it was."""
    members = [member for member in members if member.shares]
    done, spent = _serve_crowd(members, places, work)
    while spent < work and (members := [member for member in members if member.shares]):
        rates = list(_rates(members, places))
        at_once = sum(rate for _, _, rate in rates)
        next_end, stop = min(share.left / rate for _, share, rate in rates), (work - spent) / at_once
        lasts = min(next_end, stop)
        spent = spent + lasts * at_once if next_end < stop else work
        for member, share, rate in rates:
            share.left -= rate * lasts
            if share.left <= _NOTHING * share.work:
                member.shares.remove(share)
                done.append((share, spent))
    return done


def _serve_crowd(members: list[_Member], places: int, work: float) -> tuple[list[tuple[_Share, float]], float]:
    """Serve while there are so many members that nobody's share is more than one image can fill.

    Then each one's first job takes the whole share, and what is done next can be read from a heap: a thousand members
    may wait. Returns the jobs that are done, and the work that was served.
    """
    done: list[tuple[_Share, float]] = []
    spent = turns = 0.0  #: turns: work that a member of weight 1 got
    total, heaviest = sum(member.scaled for member in members), max((member.scaled for member in members), default=0.0)
    line = [(member.shares[0].left / member.scaled, member.shares[0].arrival, member) for member in members]
    heapify(line)
    while line and heaviest * places <= total and spent < work:
        end, _, member = line[0]
        if (end - turns) * total > work - spent:
            turns, spent = turns + (work - spent) / total, work
            break
        turns, spent = end, spent + (end - turns) * total
        done.append((member.shares.popleft(), spent))
        if member.shares:
            following = member.shares[0]
            heapreplace(line, (end + following.left / member.scaled, following.arrival, member))
        else:
            heappop(line)
            total -= member.scaled
    for end, _, member in line:
        member.shares[0].left = (end - turns) * member.scaled
    return done, spent


def _rates(members: list[_Member], places: int) -> Iterator[tuple[_Member, _Share, float]]:
    """Yield the jobs that are served now, with the images' worth of places that each has (max-min fairness)."""
    needs = [(min(places, sum(share.images for share in islice(member.shares, places))), member) for member in members]
    left, weights = float(places), sum(member.scaled for member in members)
    for need, member in sorted(needs, key=lambda pair: pair[0] / pair[1].scaled):
        part = min(need, left * member.scaled / weights)
        left, weights = left - part, weights - member.scaled
        for share in member.shares:
            rate = min(part, share.images)
            if rate <= _NOTHING:
                break
            part -= rate
            yield member, share, rate
