"""Moves the events that a 402 parked back to their queues once Codat accepts them.

Door: `redrive.Redrive`. While the bill is unpaid, a redrive costs five probes for each kind of 402 at most, and the
DLQ stays as it is.
"""
