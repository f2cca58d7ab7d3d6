"""Moves the events that a 402 parked back to their queues once Codat accepts them.

Door: `redrive.Redrive`. While the bill is unpaid, a redrive costs one probe for each kind of 402, and the DLQ stays as
it is.
"""
