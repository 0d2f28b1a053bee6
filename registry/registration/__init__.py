"""Statements: each records facts in the change it is given, or refuses and records nothing.

A batch is checked as a whole, against itself and against what is recorded, before its first row is.
"""
