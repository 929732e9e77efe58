"""The endpoint: retrieval and the tuned interface meet here; engines run the models."""
