"""All that differs between models: prompts, noise, schedules, guidance, and what their parts need."""
