"""The corpus run: runbooks written by others, read, checked, executed, and judged by a second reading of the rules."""
