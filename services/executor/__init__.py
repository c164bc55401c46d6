"""The executor: how a task is done.

Decides: to run a task with its agent, to ask for its breakdown, or to ask a person.
Hears: task.ready, run.imported.
Says: task.executed, agent.progress.
Owns: attempts, and the artifacts they leave.
"""
