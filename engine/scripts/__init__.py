"""aws:executeScript: the jailed child and the broker that makes its AWS calls."""
