"""The exit codes of ``codat-sync``, for scripts."""

from typing import Final

FINE: Final = 0
FOUND: Final = 1
"""The command found something that needs attention; its help says what."""
BAD_INPUT: Final = 2
NOT_REACHED: Final = 3
"""The stack, AWS or Codat could not be reached, or refused."""
