"""Collecting agreement: policy, requests and decisions."""
