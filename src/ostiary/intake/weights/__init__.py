"""Binary files of weights, each format by its own strict reader: names, shapes and bytes, never the values."""
