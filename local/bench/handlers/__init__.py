"""The project's handler beside one around Codat's SDK, and beside an API destination, on the same events.

Codat is the simulator, over HTTP and with a latency; AWS is answered in the process, so that the work of its clients
counts and no emulator's does.
"""
