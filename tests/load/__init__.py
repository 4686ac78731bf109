"""The bot as a process under load, on a simulated Discord in this one. `python -m tests.load` runs all of it."""
