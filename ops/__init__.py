"""The on-call's command-line tool: what is so, why, and what to do about it. Not part of the layer."""
