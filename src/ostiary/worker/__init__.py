"""Runs inside the wall, hostile by definition: what it says is checked by the cell that started it.

Nobody imports this package; it is started with `python -m ostiary.worker`. Only here is MLX imported.
"""
