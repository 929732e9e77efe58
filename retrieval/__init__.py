"""Documents to passages, passages to an index, the index to hits. Knows nothing of adapters or answers.

    sources -> parsing -> splitting -> plan -> encoding, bm25 -> store -> generations -> reader -> search

`refresh.py` tells the way in, `search.py` the way out; start reading there.
"""
