"""Stable Diffusion itself: the only home of torch, diffusers and transformers."""
