"""What happened and who did it: events, the hash chain and its relay."""
