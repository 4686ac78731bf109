"""What can be asked of the bot, by whatever front end: each use case is one method."""
