"""A Discord on 127.0.0.1: SimCord's simulation behind real HTTP and a real gateway, with a page in the browser.

It knows discord.py and SimCord, and nothing of the bot that connects to it. SimCord's version is pinned exactly,
because its private names are used here.
"""

from . import noise  # noqa: F401 - first: it imports SimCord quietly
from .answers import Answer
from .door import DEFAULT_PORT
from .posts import Button, Post
from .process import BotProcess
from .rest import Interceptor, RestCall
from .running import run_playground
from .server import PlaygroundServer
from .workers import Actors

__all__ = [
    "DEFAULT_PORT",
    "Actors",
    "Answer",
    "BotProcess",
    "Button",
    "Interceptor",
    "PlaygroundServer",
    "Post",
    "RestCall",
    "run_playground",
]
