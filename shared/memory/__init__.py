"""The in-memory twins of broker and store: shipped for `--in-memory`, used by the simulation, held to the same suite as the real ones."""
