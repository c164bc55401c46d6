"""Pure decisions of the sequencer: no await, clock, ids, logs or randomness. `phases` has the one table of legal moves."""
