"""The one error of an evaluation that is the caller's to put right."""

from __future__ import annotations


class EvaluationError(ValueError):
    """A folder, a file or a setting cannot be used; the message names it and says what to do."""
