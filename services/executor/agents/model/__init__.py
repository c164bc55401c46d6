"""The agent `model`: a language model that works on a task with tools, within caps, and leaves files."""
