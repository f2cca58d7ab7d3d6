"""Says which sync settings each plan stands for.

Door: `file.Presets`. Presets are valid as a whole or not used at all. The merge over Codat's settings is pure; only
`hosted` asks AWS AppConfig. The packaged file belongs to the deployer.
"""
