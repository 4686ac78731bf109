"""Which pictures may be shown where: each is judged when it is about to be shown, by the place's policy as it is then.

The check looks at each picture once, the first time; what it finds is kept with the picture. One that may not be shown
is held back: a fact of the picture from then on, for everybody, until somebody decides about it.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import UUID

from bot.clock import Clock
from bot.errors import CheckFault, UnsafeInput
from bot.operator_words import operator_words
from bot.picture_checks.base import SafetyCheck
from bot.picture_checks.looks import distance, look_of
from bot.records import Decision, ImageRecord, JobRecord
from bot.services.policies import Policy, SafetySettings, Verdict, Where
from bot.services.safety_settings import TOPIC
from bot.storage import holds, servers
from bot.storage.database import Database, Transaction
from generation.catalog import ModelCatalog
from generation.errors import Refusal
from generation.job import JobStatus
from generation.request import GenerationRequest

K = TypeVar("K")
V = TypeVar("V")

log = logging.getLogger(__name__)

ALIKE = 12  #: bits of a look; what differs in no more is the same picture to people
PATIENCE = 60.0  #: seconds; a check that has not answered by then never will
_REMEMBERED = 1000  #: pictures to begin with of which something is known without looking again


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What holds for a picture in one place."""

    policy: Policy
    settings: SafetySettings
    unwanted: tuple[str, ...] = ()  #: the looks of what the job's server does not want to see again

    def verdict(self, image: ImageRecord) -> Verdict:
        """What is done with a picture that was looked at; one without a score is an exempt one."""
        if image.is_held:
            return Verdict.HOLD
        verdict = self.settings.verdict(self.policy, image.score or 0.0)
        if image.decision is not None:  # somebody has looked at it, and let it through
            is_hidden = image.decision is Decision.APPROVED and self.policy is Policy.SPOILER
            return Verdict.SPOILER if is_hidden and verdict is not Verdict.SHOW else Verdict.SHOW
        if image.look is not None and any(distance(image.look, look) <= ALIKE for look in self.unwanted):
            return Verdict.HOLD
        return verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A job as its pictures were judged, and what is done with each of them in one place."""

    job: JobRecord
    verdicts: Mapping[UUID, Verdict]


class Safety:
    """Judges pictures. Without a check nothing is looked at, and what was held before stays held."""

    def __init__(
        self,
        *,
        database: Database,
        check: SafetyCheck | None,
        catalog: ModelCatalog,
        clock: Clock,
        direct_policy: Policy = Policy.WITHHOLD,
        exempts_builtin: bool = True,
        patience: float = PATIENCE,
    ) -> None:
        """`direct_policy` is that of direct messages; `exempts_builtin`: pictures that the built-in model draws from
        words alone are not looked at; `patience`: how many seconds the check has for a picture."""
        self._database = database
        self._check = check
        self._catalog = catalog
        self._clock = clock
        self._direct_policy = direct_policy
        self._exempts_builtin = exempts_builtin
        self._patience = patience
        self._is_out = False  #: the last picture could not be checked
        self._listeners: list[Callable[[JobRecord], None]] = []
        # Of the last pictures to begin with, by sha256: their scores, and on which servers they were let through.
        self._scores = OrderedDict[str, float]()
        self._trusted = OrderedDict[tuple[str | None, str], None]()

    def listen(self, listener: Callable[[JobRecord], None]) -> None:
        """Have this called with each job of which a picture was just held back."""
        self._listeners.append(listener)

    async def judged(self, job: JobRecord, pngs: Mapping[UUID, bytes], where: Where) -> Judged:
        """Judge a job's pictures for a place, and write down what is new: scores, and which are held from now on.

        `pngs`: those of all its pictures that are not held. A picture that was shown before is not held any more: a
        place that does not want it leaves it out. Raises CheckFault, StorageFault; nothing may be shown then.
        """
        if (check := self._check) is None:
            return Judged(job=job, verdicts={image.id: _without_check(image) for image in job.images})
        # Whatever the policy, one without a score is shown; what is never wanted again is asked for all the same.
        place = None if self._is_exempt(job.request) else where
        rules = await self._rules(place, job.server)
        images = [await self._looked_at(check, image, pngs.get(image.id), job.request, rules) for image in job.images]
        verdicts = {image.id: rules.verdict(image) for image in images}
        now = self._clock()
        for index, (before, image) in enumerate(zip(job.images, images, strict=True)):
            is_new = before.score is None or job.status is JobStatus.RENDERED
            if is_new and image.held_at is None and verdicts[image.id] is Verdict.HOLD:
                images[index] = replace(image, held_at=now)
        changed = [image for before, image in zip(job.images, images, strict=True) if image != before]
        if changed:
            await self._database.write(lambda transaction: holds.judge(transaction, changed))
        after = replace(job, images=tuple(images))
        if any(image.held_at == now for image in changed):
            for listener in self._listeners:
                listener(after)
        return Judged(job=after, verdicts=verdicts)

    async def check_source(self, digest: str, png: bytes, where: Where) -> None:
        """Whether a picture may be drawn from there. Raises UnsafeInput, CheckFault, StorageFault."""
        if (check := self._check) is None or (where.server, digest) in self._trusted:
            return
        rules = await self._rules(where, None)
        if rules.policy is Policy.OFF:
            return
        score = self._scores.get(digest)
        if score is None:
            score = await self._score(check, png, "")
            _remember(self._scores, digest, score)
        if rules.settings.verdict(rules.policy, score) is Verdict.HOLD:
            raise UnsafeInput("image")

    def trust(self, digest: str, where: Where) -> None:
        """Somebody has let this picture through: it may be drawn from on that server."""
        _remember(self._trusted, (where.server, digest), None)

    async def hides_previews(self, request: GenerationRequest, where: Where) -> bool:
        """Whether what is unfinished may be seen there as blocks of colour only. Raises StorageFault."""
        if self._check is None or self._is_exempt(request):
            return False
        return (await self._rules(where, None)).policy is not Policy.OFF

    async def with_looks(self, job: JobRecord, pngs: Mapping[UUID, bytes]) -> JobRecord:
        """The job with the looks of these pictures, also of those that nothing has looked at so far. Raises CheckFault,
        StorageFault."""
        images = [
            replace(image, look=await asyncio.to_thread(look_of, pngs[image.id]))
            if image.look is None and image.id in pngs
            else image
            for image in job.images
        ]
        changed = [image for before, image in zip(job.images, images, strict=True) if image != before]
        await self._database.write(lambda transaction: holds.judge(transaction, changed))
        return replace(job, images=tuple(images))

    async def _rules(self, where: Where | None, server: str | None) -> Rules:
        """What holds in a place, or without a policy; `server`: whose list of unwanted pictures counts."""
        channel = where if where is not None and where.server is not None else None
        without_channel = Policy.OFF if where is None else self._direct_policy
        if channel is None and server is None:
            return Rules(policy=without_channel, settings=SafetySettings())

        def found(transaction: Transaction) -> Rules:
            by_name = servers.settings_of(transaction, channel.server, TOPIC) if channel and channel.server else {}
            settings = SafetySettings.of(by_name)
            policy = settings.policy_in(channel) if channel is not None else without_channel
            unwanted = holds.unwanted(transaction, server) if server is not None else ()
            return Rules(policy=policy, settings=settings, unwanted=tuple(one.look for one in unwanted))

        return await self._database.read(found)

    async def _looked_at(
        self, check: SafetyCheck, image: ImageRecord, png: bytes | None, request: GenerationRequest, rules: Rules
    ) -> ImageRecord:
        if png is None or image.held_at is not None:
            return image
        is_exempt, score, look = self._is_exempt(request), image.score, image.look
        if score is None and not is_exempt:
            score = await self._score(check, png, request.texts_of(image.seed)[0])
        if look is None and (rules.unwanted or not is_exempt):
            look = await asyncio.to_thread(look_of, png)
        return replace(image, score=score, look=look)

    async def _score(self, check: SafetyCheck, png: bytes, asked: str) -> float:
        """Ask the check, whatever it may do. The operator hears of its end once, and of its return."""
        try:
            async with asyncio.timeout(self._patience):
                score = await check.score(png, asked=asked)
            if not 0.0 <= score <= 1.0:
                raise CheckFault(detail=f"a score of {score}")
        except Exception as error:
            fault = error if isinstance(error, CheckFault) else CheckFault(detail=repr(error))
            if not self._is_out:
                self._is_out = True
                log.error("%s", operator_words(fault))
            raise fault from error
        if self._is_out:
            self._is_out = False
            log.info("pictures can be checked again")
        return score

    def _is_exempt(self, request: GenerationRequest) -> bool:
        """Drawn by the built-in model, from words alone: it knows nothing that would be unsafe."""
        if not self._exempts_builtin or request.source is not None or request.mask is not None:
            return False
        if request.loras:  # what an adapter adds, nobody here has looked at
            return False
        try:
            return self._catalog.get(request.model).source == "builtin"
        except Refusal:  # not on offer any more
            return False


def _remember(known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > _REMEMBERED:
        known.popitem(last=False)


def _without_check(image: ImageRecord) -> Verdict:
    return Verdict.HOLD if image.is_held else Verdict.SHOW
