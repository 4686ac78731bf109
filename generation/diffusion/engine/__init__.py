"""The step loop of one device, batching between denoising steps, and the shelf of loaded models."""
