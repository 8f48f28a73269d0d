"""The engines: one module each, behind one contract (`contract.py`)."""
