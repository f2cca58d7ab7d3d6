"""Describes, as data, the events of billing systems that have a form of their own.

Door: `reading.PlanEvents`. Sources are valid as a whole or not used at all. What a source takes becomes an event of
this package's own contract, and is read as such. The packaged file belongs to the deployer, and has no source by
default.
"""
