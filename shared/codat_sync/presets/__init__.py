"""What each plan stands for: the presets file, and its merge over the settings that Codat shows.

Door: `file.Presets`. It reads a file's content and gives the preset of one company. `hosted.LivePresets` gives the
presets that are live where they may change without a deploy.
Presets are valid as a whole or not there at all, and every problem of a file is named with its plan, data type and key.
A merge keeps what the preset does not mention.
Stands on `codat` (its models) and `errors`; `hosted`, which alone knows AWS, stands on `observability`, too.
"""
