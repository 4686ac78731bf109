"""For all tests: torch is loaded the way the bot loads it."""

import generation.diffusion  # noqa: F401 - sets how OpenMP waits, which has to happen before torch is imported
