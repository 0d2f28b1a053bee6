"""Programs of others that tests use."""


class MissingProgramError(Exception):
    """A program that is needed is not installed on this machine, or cannot be used on it."""
