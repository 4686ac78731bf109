"""The running application: a Discord bot that draws."""
