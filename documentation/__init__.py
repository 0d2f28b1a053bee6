"""The parts of the documents that are written from the program: by ``python -m documentation``, or when the site is built."""
