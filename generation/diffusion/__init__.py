"""Stable Diffusion itself: the only home of torch, diffusers and transformers."""

import os

# Before torch loads its OpenMP: threads that wait for work shall sleep, not spin. Spinning, they fight whatever else
# wants a core, the bot's event loop first of all: with one other busy process on two cores, two threads took 67.8 s for
# a picture of the built-in model spinning and 0.7 s sleeping.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
