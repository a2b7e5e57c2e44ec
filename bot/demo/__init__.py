"""A world in one process group: moto, a local Slack workspace, a small fleet and an alarm."""
