"""The waist: verbs (operations), facts (queries), reactions and the playbook catalog."""
