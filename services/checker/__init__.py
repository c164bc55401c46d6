"""The checker: whether the work is right.

Decides: the verdict on each attempt, from evidence; parents after their children. The executor's word is never evidence.
Hears: task.executed, run.imported.
Says: task.verified.
Owns: verdicts.
"""
