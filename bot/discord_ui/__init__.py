"""The bot as Discord sees it. The only home of discord.py in the application."""
