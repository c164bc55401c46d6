"""The dashboard: what a browser shows of the same facts that the API gives, and the same decisions by forms."""
