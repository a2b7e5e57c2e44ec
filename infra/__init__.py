"""One file per outside world: settings, database, AWS, clock, log."""
