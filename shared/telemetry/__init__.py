"""Logs and metrics that every service has."""
