"""The command line, the settings, the wiring, and the only place that knows Prefect. Nothing here computes.

Read `refresh_index.py` first: one refresh of the index from top to bottom.
"""
