"""The parts of docs/ that are made from the program itself: ``python -m documentation`` makes them anew.

The tests hold what stands in docs/ against what is made here.
"""
