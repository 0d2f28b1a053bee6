"""Harnesses that try to break a registry: commands killed at random instants, many writers at once.

``python -m harnesses kill`` and ``python -m harnesses writers``; see docs/harnesses.md.
"""
