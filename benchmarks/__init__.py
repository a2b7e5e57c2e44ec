"""Measurements that anybody can repeat: `make benchmark`."""
