"""Decides how an event ends, and parks or defers it.

Door: `triage.triage`. Every error leads to exactly one outcome. A parked event is the original body, byte for byte,
with its reason. Stands on Codat's errors; knows no plan and no company record.
"""
