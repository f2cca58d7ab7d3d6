"""Settles the messages of a queue: each gets its outcome, and stays on its queue until that is safe.

Door: `consume.Consumer`. Every message gets exactly one outcome, and stays on its queue until that outcome is safe. A
batch starts nothing that the function's deadline does not allow.
"""
