"""Data in, adapter and verdict out. For now: measuring retrieval.

Knows neither retrieval nor HTTP: what it needs of them comes in as a callable.
"""
