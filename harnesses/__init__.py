"""Programs that try to break a registry: killed commands, many writers at once, planted faults, fuzzed parsers.

``python -m harnesses`` and ``python -m harnesses.fuzz``; see docs/harnesses.md.
"""
