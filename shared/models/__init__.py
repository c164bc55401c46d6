"""Language models: the port, the client of OpenAI-compatible endpoints, the ledger of calls."""
