"""What Taskgrove costs, measured on this machine beside the least that the same durable steps could cost: `python -m benchmarks`."""
