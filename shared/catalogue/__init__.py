"""Which agents, checks and planners exist: for those who must only name them, and for the linter of plans."""
