"""Data in, adapter and verdict out; also the measures of retrieval.

Knows neither retrieval nor HTTP: what it needs of them comes in as a callable.
"""
