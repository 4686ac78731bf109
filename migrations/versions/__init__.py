"""The changes, in order of their numbers. A published one is never edited: add the next."""
