"""Consumes the messages of a queue: batches of company events, and requests for a duty.

Door: `consume.Consumer`. Every message gets exactly one outcome, and stays on its queue until that outcome is safe. A
batch starts nothing that the function's deadline does not allow.
"""
