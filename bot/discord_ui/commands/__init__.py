"""Slash commands, one file a family. A handler parses, calls one service and follows the ticket."""
