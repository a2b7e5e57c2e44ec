"""What is wrong with a runbook, or will be: one file per family of rules, all of them listed in rules.py."""
