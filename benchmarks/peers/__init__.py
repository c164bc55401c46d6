"""Other systems at the same work on the same machine, each in an environment of its own: `python -m benchmarks.peers`.

A peer NAME is three files: NAME.py, the program that measures it, run inside its environment; NAME.in, what it asks for; NAME.txt, the lock
of that. To lock one anew: uv pip compile NAME.in -o NAME.txt, with the options that the Makefile has for the locks of requirements/.
"""
