"""Runbooks by name and version, as SSM keeps documents."""
