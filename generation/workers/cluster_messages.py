"""What is said to the process that has joined a Ray cluster, and what it says."""

from dataclasses import dataclass
from typing import TypeAlias

from generation.errors import WorkerLost
from generation.workers.messages import Logged, Lost


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A machine of the cluster."""

    id: str
    host: str
    gpus: int
    draws_without: bool  #: it was started with the resource `imagine_bot`: without a GPU it counts as one device


# there


@dataclass(frozen=True, kw_only=True, slots=True)
class Begin:
    """Start an actor on this node; what is said to it and by it goes by the number of its link."""

    link: int
    node: str
    gpu: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Carry:
    """Give the actor a frame."""

    link: int
    frame: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """End the actor, whatever it is doing."""

    link: int


ToCluster: TypeAlias = Begin | Carry | End


# back


@dataclass(frozen=True, kw_only=True, slots=True)
class Nodes:
    """The machines that are there. Said again when they are others."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Carried:
    """A frame from an actor."""

    link: int
    frame: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """An actor is gone: the last word of its link."""

    link: int
    error: WorkerLost


FromCluster: TypeAlias = Nodes | Carried | Broken | Lost | Logged
