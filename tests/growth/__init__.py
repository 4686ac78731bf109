"""What the bot needs when its record has a long history: nothing may grow with it."""
