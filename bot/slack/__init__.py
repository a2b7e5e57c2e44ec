"""The Slack door: the only importer of slack_bolt and slack_sdk."""
