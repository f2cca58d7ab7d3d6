"""The on-call's tool: what the stack did with a company's plan and why, and what to do about it. Not in the layer.

Doors: ``cli.main.main``, the command line; and one module for each use case, which the command line and a web page
share: ``explain``, ``preview``, ``preset_impact``, ``backfill``, ``reconcile``, ``send``, ``dlq``, ``pause``.
Guarantees: what changes the stack is a call of its own, and the API key is never shown.
Stands on: ``codat_sync``, ``stack.Stack`` for a deployed stack's parts, and boto3.
"""
