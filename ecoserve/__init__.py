"""The engine: which fleet serves this traffic with the least carbon. Pure and typed."""

__version__ = "0.2.0"
