"""The parts of the documents that the program writes: by ``python -m documentation``, or when the site is built."""
