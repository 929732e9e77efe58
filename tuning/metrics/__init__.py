"""One module a thing measured, named after it."""
