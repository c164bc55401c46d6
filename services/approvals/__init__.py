"""Where people are: the HTTP API and the inbox.

Decides: nothing by itself. It keeps what people want and decide, and joins for them what the other services know.
Hears: approval.requested, task.submitted, run.imported, and all other facts, for the live view.
Says: task.submitted, task.control, approval.decided, run.imported.
Owns: submissions, approvals, audit, principals, sessions, feed, imports.
"""
