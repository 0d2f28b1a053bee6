"""Layouts of other systems' trees: files with the constants of panels, and the versions that their names state."""
