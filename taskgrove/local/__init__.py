"""Everything on one machine: a private store and broker, the five services, and what keeps them alive."""
