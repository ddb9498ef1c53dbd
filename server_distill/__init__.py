"""The desktop side: training, distillation, evaluation, and the demo."""

import models.quiet_libraries  # noqa: F401
