"""Child process of a training of a user's function: it runs in the user's interpreter, Python 3.9 and later.

Standard library alone; nothing else of this package is imported. `serve.py` is the program, `handle.py` the object that
a function gets as `run`.
"""
