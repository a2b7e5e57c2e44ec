"""Tests mirror the tree; scenarios/ holds the data paths."""
