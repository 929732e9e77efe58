"""Worked examples of each behaviour, part of the contract: how a behaviour runs before it has an adapter."""
