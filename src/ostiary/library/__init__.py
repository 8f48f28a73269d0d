"""The Python door: what a program holds that imports Ostiary. `ostiary.open` leads here.

It prints nothing, asks nobody and never ends the program; whatever it says no to it raises.
"""
