"""Imports SimCord without the warnings about a client that it makes for a look at discord.py and never uses."""

from __future__ import annotations

import logging

import discord

discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # there is no voice here
_state_log = logging.getLogger("discord.state")
_was_disabled, _state_log.disabled = _state_log.disabled, True
try:
    import simcord as simcord
finally:
    _state_log.disabled = _was_disabled
