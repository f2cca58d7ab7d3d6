"""The deployed stack on this machine: MiniStack emulates AWS, and the real `sam build` and `sam deploy` fill it.

Door: `stack.local_stack`.
No process, endpoint file or temporary folder is left when its block ends. What a killed run left, the next one ends.
It stands on the template, on `ops.release` and, as a process of its own, on `local.codat_simulator`.
"""
