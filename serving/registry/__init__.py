"""What weights there are: base models, their tokenizers and digests."""
