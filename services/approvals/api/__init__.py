"""The HTTP API: one file a resource. Bodies are those of `shared/contracts/views.py`."""
