"""Measure calreg against the field's present methods, in the same run on the same machine.

``python -m benchmarks`` measures and prints one table; docs/performance.md explains its rows.
"""
