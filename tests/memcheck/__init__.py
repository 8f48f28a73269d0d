"""Hostile graphs under valgrind: nothing reads or writes past the end of what it was given."""
