"""Pure decisions of the approvals service: no clock, no ids, no I/O."""
