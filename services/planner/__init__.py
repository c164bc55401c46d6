"""The planner: what the subtasks of a task are.

Decides: the tasks of a run, their dependencies and checks; the breakdown of a task that is too big.
Hears: task.submitted, plan.requested, run.imported.
Says: plan.proposed, plan.failed.
Owns: plans, plannings (plans that are being made), planner_calls.
"""
