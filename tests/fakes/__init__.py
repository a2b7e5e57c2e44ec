"""Stand-ins for the outside world; each passes the contract suite of the real thing."""
