"""How the tables came to be as they are: one file for each change, applied when the bot starts."""
