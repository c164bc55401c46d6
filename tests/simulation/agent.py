"""What simulated tasks do, offered to the agent `python` as any package would offer its functions."""
