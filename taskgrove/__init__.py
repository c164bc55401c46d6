"""What a person installs: the command line, the Python client and the local runner."""
