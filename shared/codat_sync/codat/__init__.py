"""Wraps the endpoints of Codat that this project uses.

Door: `client.CodatClient`. Every call ends in an answer that was read, or in a `CodatError` that says whether a
retry can help. Knows HTTP; knows nothing of AWS, plans or presets.
"""
