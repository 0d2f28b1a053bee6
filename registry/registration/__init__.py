"""Statements: recorded in a change, or refused; a refused batch records nothing.

A batch is checked as a whole, against itself and against what is recorded, before its first row is written.
"""
