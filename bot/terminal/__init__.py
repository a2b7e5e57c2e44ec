"""The terminal door: the same verbs and facts as Slack, for when chat is down and for scripts."""
