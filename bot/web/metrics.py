"""Metrics: what the bot counts, in the text format of Prometheus. No label says who asked, for what, or where."""

import itertools
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from bot.records import JobRecord
from generation.device import DeviceState
from generation.dispatcher import Dispatcher
from generation.errors import Cancelled, KnownError, Postponed
from generation.events import JobCancelled, JobDone, JobFailed
from generation.job import Job, JobStatus
from generation.supervisor import Supervisor
from generation.workers.base import Worker

log = logging.getLogger(__name__)

_WAITS = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600)
_LAGS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_ROWS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """Where the figures come from that are looked up when somebody asks for them."""

    dispatcher: Dispatcher[JobRecord]
    supervisor: Supervisor
    own: Collection[str]  #: the devices of this machine; the names of a cluster's have a host and an id in them
    seconds_in_line: Callable[[], float]  #: that a new writer of the database would wait


class Metrics:
    """Listens to the dispatcher, and to what else tells it something; `page` has all figures as they are then."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._labels: dict[str, str] = {}  #: of the devices that are there, by their names
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._jobs = Gauge("imagine_jobs", "Jobs that are live, by what they do", ["state"], registry=registry)
        self._images = Gauge("imagine_queue_images", "Pictures of the jobs that wait", registry=registry)
        self._line = Gauge("imagine_storage_line_seconds", "How long a new write would wait", registry=registry)
        self._devices = Gauge(
            "imagine_worker_state", "1 for what a worker does now", ["worker", "state"], registry=registry
        )
        self._losses = Gauge("imagine_worker_losses", "Times that a worker was lost", ["worker"], registry=registry)
        self._ended = Counter("imagine_jobs_ended", "Jobs that have ended, by how", ["end"], registry=registry)
        self._rendered = Counter("imagine_jobs_rendered", "Jobs whose pictures are drawn and kept", registry=registry)
        self._errors = Counter("imagine_errors", "What jobs and commands ended with", ["code"], registry=registry)
        self._waits = Histogram(
            "imagine_job_wait_seconds", "From the end of the line to the first row", buckets=_WAITS, registry=registry
        )
        self._seconds = Counter(
            "imagine_worker_device_seconds",
            "Seconds of a worker's device",
            ["worker"],
            registry=registry,
        )
        self._rows = Histogram(
            "imagine_worker_rows_per_call",
            "Rows of the largest call that a job was in",
            ["worker"],
            buckets=_ROWS,
            registry=registry,
        )
        self._lags = Histogram(
            "imagine_event_loop_lag_seconds", "How late the event loop is", buckets=_LAGS, registry=registry
        )
        for status in (JobStatus.POSTED, JobStatus.FAILED, JobStatus.CANCELLED):
            self._ended.labels(status)

    def began(self, job: Job, waited: float) -> None:
        """See `generation.listener.Listener`."""
        self._waits.observe(waited)

    def drawn(self, worker: Worker, job: Job, last: JobDone | JobFailed | JobCancelled) -> None:
        """See `generation.listener.Listener`."""
        if name := self._watched.supervisor.name_of(worker):
            label = self._labelled()[name]
            self._seconds.labels(label).inc(last.device_seconds)
            if isinstance(last, JobDone) and last.drawn_with.rows:
                self._rows.labels(label).observe(last.drawn_with.rows)

    def over(self, job: Job, outcome: JobRecord | KnownError) -> None:
        """See `generation.listener.Listener`."""
        match outcome:
            case Postponed():
                pass
            case Cancelled():
                self.ended(JobStatus.CANCELLED)
            case KnownError():
                self.ended(JobStatus.FAILED)
                self._errors.labels(outcome.code).inc()
            case _:
                self._rendered.inc()

    def ended(self, status: JobStatus) -> None:
        """A job has ended for good."""
        self._ended.labels(status).inc()

    def told(self, error: BaseException) -> None:
        """Somebody was told of an error; what was not raised on purpose is `unexpected`."""
        self._errors.labels(error.code if isinstance(error, KnownError) else "unexpected").inc()

    def late(self, seconds: float) -> None:
        """The event loop was so late."""
        self._lags.observe(seconds)

    def page(self) -> bytes:
        """All figures as they are now."""
        dispatcher, devices = self._watched.dispatcher, self._watched.supervisor.devices
        waiting = dispatcher.waiting()
        self._jobs.labels("waiting").set(len(waiting))
        self._jobs.labels("drawing").set(len(dispatcher.running()))
        self._images.set(sum(job.request.count for job in waiting))
        self._line.set(self._watched.seconds_in_line())
        self._devices.clear()
        self._losses.clear()
        labels = self._labelled()
        for device in devices:
            self._losses.labels(labels[device.name]).set(device.losses)
            for state in DeviceState:
                self._devices.labels(labels[device.name], state).set(device.state is state)
        return generate_latest(self._registry)

    def _labelled(self) -> dict[str, str]:
        """The labels of the devices that are there now. What was counted of one that is gone is forgotten."""
        names = [device.name for device in self._watched.supervisor.devices]
        for name in self._labels.keys() - set(names):
            label = self._labels.pop(name)
            for counted in (self._seconds, self._rows):
                counted.remove(label)
        for name in names:
            if name not in self._labels:
                self._labels[name] = name if name in self._watched.own else self._free_number()
                if self._labels[name] != name:
                    log.info("/metrics has the device %s as %s", name, self._labels[name])
        return self._labels

    def _free_number(self) -> str:
        """What a device of a cluster is called: not more words than devices that were there at the same time."""
        taken = self._labels.values()
        return next(label for number in itertools.count(1) if (label := f"ray {number}") not in taken)
