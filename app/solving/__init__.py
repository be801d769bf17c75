"""Solves beside the server: two processes of its own, a fair queue, progress and cancel.

    page ─► desk (which question) ─► manager (queue, limits, cache) ─► worker process ─► engine
    page ─► tasks (many questions, one after the other, with one bar and one Cancel)

Pools of the standard library, loky and pebble give a job to any of their processes and stop one by
ending its process, with all it remembers. Here each process remembers recent plans, so jobs are
placed, asked to stop first, and tell how far they are. Nothing here knows the dashboard.
"""
