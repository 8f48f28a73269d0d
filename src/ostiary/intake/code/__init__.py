"""What a file is by its bytes, and what in it carries code, whatever its name."""
