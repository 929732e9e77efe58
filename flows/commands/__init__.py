"""The commands in groups, and the options that they share. Each parses, calls one function and shows one summary."""
