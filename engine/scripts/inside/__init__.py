"""What runs inside the jail: imported by the warm process and by the scripts' processes, never by the bot's own work.

The bot shares only `wire` with it. Modules here import each other relatively and nothing else of the project, because
inside the jail only this folder can be read.
"""
