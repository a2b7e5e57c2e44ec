"""The schema's history: one file per change, applied by `playbook-bot db upgrade`."""
