"""The sequencer: when each task may run, and what its status is.

Decides: the order, what is ready, retries, escalation, when a parent is done. The only writer of a task's phase.
Hears: plan.proposed, plan.failed, task.verified, approval.decided, task.control, run.imported.
Says: task.ready, plan.requested, approval.requested, task.completed, task.failed.
Owns: tasks, sequences.
"""
