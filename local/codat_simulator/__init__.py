"""A simulator of Codat's Platform API: the endpoints that this project calls, with state, limits and faults.

Door: `running.running_simulator`, for use inside a process. `python -m local.codat_simulator` serves the simulator in a
process of its own, with a control API over HTTP: `_control` has the table of its requests.
It answers as Codat's OpenAPI and documentation say, and counts every call; the tests run Codat's official SDK on it.
It stands on aiohttp and pydantic. Only `company_settings` uses the layer: Codat's models and the presets.
"""
