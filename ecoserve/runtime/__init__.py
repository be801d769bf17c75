"""The runtime: an event-driven replay of real or drawn traffic against a planned fleet."""
