"""Brings back the events that wait for Codat's bill, once a probe shows that it is paid.

Door: `redrive.Redrive`. While the bill is unpaid, a redrive costs one probe for each kind of 402, and the DLQ stays as
it is.
"""
