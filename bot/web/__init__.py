"""What the bot shows to programs that watch it: whether it is alive, whether it can draw, and figures."""
