"""Measurements for `make bench`: ratios within one run, printed, never asserted."""
