"""The flows as Prefect runs them: thin wrappers, the only modules that import Prefect. Imported on demand."""
