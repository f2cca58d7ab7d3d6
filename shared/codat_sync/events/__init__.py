"""Reads what producers and operators send.

Door: `company_events.read_plan_event`, and one reader for each other kind of message. A message is read whole, or
refused as `MalformedEvent` in words. Pure: knows no clock and no AWS.
"""
