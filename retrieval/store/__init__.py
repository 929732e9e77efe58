"""Vector stores behind one protocol; the only room that knows Qdrant."""
