"""The study of patterns: how well simulated sensors, and a real map, are known again; it writes docs/patterns.md."""
