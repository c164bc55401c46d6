"""Other systems at the same work on the same machine, each in an environment of its own: `python -m benchmarks.peers`."""
