"""What a server's admins may set and see. Each change leaves an audit row in its own transaction."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from bot.clock import Clock
from bot.errors import UnknownJob, WordRefused
from bot.records import AuditRecord, BlockRecord, Gallery, JobRecord, LimitRow, LimitScope, LimitValues, Member
from bot.services.answers import Resumed, ServerLimits, Stats
from bot.services.audit import FALSE_POSITIVE, Values, changed, note_by, server_of
from bot.services.limits import KINDS, Limits, check_ranges
from bot.services.recovery import resume
from bot.services.words import Words
from bot.storage import jobs, servers, stars, unfinished, usage
from bot.storage.database import Database, Transaction
from bot.storage.input_files import InputFiles
from generation.catalog import ModelCatalog
from generation.dispatcher import Dispatcher
from generation.errors import InvalidRequest
from generation.job import JobId

MAX_LIMITS = 100  #: in one answer
MAX_STATS_DAYS = 90
MAX_STATS_MEMBERS = 25
MAX_FALSE_POSITIVES = 1000  #: the newest, that statistics count
MAX_REASON = 500  #: characters
MAX_STARS = 100  #: that a gallery may ask for


class AdminService:
    """A server's settings, in the hands of those who may manage it. Every method raises NotAllowed for anybody else."""

    def __init__(
        self,
        *,
        database: Database,
        dispatcher: Dispatcher[JobRecord],
        input_files: InputFiles,
        catalog: ModelCatalog,
        words: Words,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._database = database
        self._words = words
        self._limits = limits
        self._dispatcher = dispatcher
        self._input_files = input_files
        self._catalog = catalog
        self._clock = clock

    async def limits(self, admin: Member) -> ServerLimits:
        """What is set on this server, the first MAX_LIMITS of it, and what the operator allows at most."""
        server = server_of(admin)
        rows, more = await self._database.read(lambda transaction: servers.limits_of(transaction, server, MAX_LIMITS))
        return ServerLimits(rows=rows, more=more, ceiling=self._limits.ceiling)

    async def set_limits(
        self, admin: Member, scope: LimitScope, subject: str | None, changes: LimitValues
    ) -> ServerLimits:
        """Set the limits that are given, leave the others; returns what is set there now. Raises InvalidRequest."""
        server = server_of(admin)
        if not changes:
            raise InvalidRequest("limit", "missing", choices=tuple(KINDS))
        check_ranges(changes, scope)
        subject = _subject_of(scope, subject)
        note = note_by(admin, server, self._clock(), scope=scope, subject=subject)

        def set_(transaction: Transaction) -> LimitValues:
            before = servers.limits_at(transaction, server, scope, subject)
            after = {**before, **changes}
            servers.ensure(transaction, server)
            servers.put_limits(transaction, server, scope, subject, after)
            servers.note(transaction, changed(note, "limits.set", before, after))
            return after

        row = LimitRow(scope=scope, subject=subject, values=await self._database.write(set_))
        return ServerLimits(rows=(row,), ceiling=self._limits.ceiling)

    async def reset_limits(self, admin: Member, scope: LimitScope, subject: str | None) -> bool:
        """Forget all limits set for exactly this server, role or member; False when there were none."""
        server = server_of(admin)
        subject = _subject_of(scope, subject)
        note = note_by(admin, server, self._clock(), scope=scope, subject=subject)

        def reset(transaction: Transaction) -> bool:
            before = servers.limits_at(transaction, server, scope, subject)
            if not before:
                return False
            servers.put_limits(transaction, server, scope, subject, {})
            servers.note(transaction, changed(note, "limits.reset", before, {}))
            return True

        return await self._database.write(reset)

    async def stats(self, admin: Member, days: int = 7) -> Stats:
        """The last days of this server, today included, UTC. Raises InvalidRequest."""
        server = server_of(admin)
        if not 1 <= days <= MAX_STATS_DAYS:
            raise InvalidRequest("days", "range", days, least=1, most=MAX_STATS_DAYS)
        first = self._clock().date() - timedelta(days=days - 1)

        def found(transaction: Transaction) -> Stats:
            decided = servers.audit_of(transaction, server, MAX_FALSE_POSITIVES, action=FALSE_POSITIVE)
            models = [
                str(change.after)
                for record in decided
                for change in record.changes
                if change.field == "model" and record.at.date() >= first
            ]
            return Stats(
                by_day=usage.by_day(transaction, server, first, days),
                by_member=usage.by_member(transaction, server, first, MAX_STATS_MEMBERS),
                false_positives=dict(Counter(models).most_common()),
            )

        return await self._database.read(found)

    async def block(self, admin: Member, member_id: str, reason: str | None) -> None:
        """Let this member ask for no more pictures here; what they asked for before goes on. Raises InvalidRequest."""
        server = server_of(admin)
        if reason is not None and len(reason) > MAX_REASON:
            raise InvalidRequest("reason", "length", len(reason), most=MAX_REASON)
        note = note_by(admin, server, self._clock(), scope=LimitScope.MEMBER, subject=member_id)

        def put(transaction: Transaction) -> None:
            earlier = servers.block_of(transaction, server, member_id)
            # Blocked again without a word: the old one still holds.
            said = reason or (earlier.reason if earlier is not None else None)
            block = BlockRecord(server=server, member=member_id, reason=said, by=admin.id, at=note.at)
            servers.ensure(transaction, server)
            servers.put_block(transaction, block)
            servers.note(transaction, changed(note, "block", _as_values(earlier), _as_values(block)))

        await self._database.write(put)

    async def unblock(self, admin: Member, member_id: str) -> bool:
        """Let this member ask again; False when they were not blocked."""
        server = server_of(admin)
        note = note_by(admin, server, self._clock(), scope=LimitScope.MEMBER, subject=member_id)

        def remove(transaction: Transaction) -> bool:
            block = servers.block_of(transaction, server, member_id)
            if block is None:
                return False
            servers.remove_block(transaction, block)
            servers.note(transaction, changed(note, "unblock", _as_values(block), _as_values(None)))
            return True

        return await self._database.write(remove)

    async def set_gallery(self, admin: Member, gallery: Gallery | None) -> None:
        """Have results copied to a channel that so many members have starred; None: no more. Raises InvalidRequest."""
        server = server_of(admin)
        if gallery is not None and not 1 <= gallery.stars <= MAX_STARS:
            raise InvalidRequest("stars", "range", gallery.stars, least=1, most=MAX_STARS)
        note = note_by(admin, server, self._clock())

        def put(transaction: Transaction) -> None:
            before = stars.gallery_of(transaction, server)
            if before == gallery:
                return
            servers.ensure(transaction, server)
            stars.put_gallery(transaction, server, gallery)
            servers.note(transaction, changed(note, "gallery", _set_in(before), _set_in(gallery)))

        await self._database.write(put)

    async def quarantined(self, admin: Member) -> tuple[JobRecord, ...]:
        """The jobs of this server that ran in two crashes and were set aside, the oldest first."""
        server = server_of(admin)
        return await self._database.read(lambda transaction: unfinished.quarantined(transaction, server))

    async def release(self, admin: Member, job_id: JobId) -> Resumed:
        """Let a job that was set aside try again, alone, however long the line is.

        Raises UnknownJob, InvalidRequest when its model is no longer on offer, WordRefused for what the server's words
        refuse by now, and what the dispatcher's `check_open` raises.
        """
        server = server_of(admin)
        self._dispatcher.check_open()
        note = note_by(admin, server, self._clock(), scope=LimitScope.MEMBER)

        def let_go(transaction: Transaction) -> JobRecord:
            record = jobs.get(transaction, job_id)
            if record is None or record.server != server or not unfinished.release(transaction, job_id):
                raise UnknownJob
            self._catalog.get(record.request.model)  # what these raise leaves the job where it was
            record.request.check()
            if not self._words.still_accepts(transaction, record):
                raise WordRefused("job")
            servers.ensure(transaction, server)
            about = replace(note, subject=record.requester)
            servers.note(transaction, changed(about, "quarantine.release", {"job": None}, {"job": str(job_id)}))
            return jobs.get(transaction, job_id) or record

        record = await self._database.write(let_go)
        return Resumed(job=record, ticket=resume(self._dispatcher, record, self._input_files))

    async def audit(self, admin: Member, most: int = 100) -> tuple[AuditRecord, ...]:
        """What the admins of this server did, the newest first."""
        server = server_of(admin)
        return await self._database.read(lambda transaction: servers.audit_of(transaction, server, most))


def _subject_of(scope: LimitScope, subject: str | None) -> str | None:
    if scope is LimitScope.SERVER:
        return None
    if not subject:
        raise InvalidRequest(scope.value, "missing", choices=(scope.value,))
    return subject


def _as_values(block: BlockRecord | None) -> Values:
    return {"blocked": "yes" if block else "no", "reason": block.reason if block else None}


def _set_in(gallery: Gallery | None) -> Values:
    return {} if gallery is None else {"channel": gallery.channel, "stars": gallery.stars}
