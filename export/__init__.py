"""From a pipeline folder to a bundle: trace, lower, check. `python -m export.make_bundle --help` starts it."""

import models.quiet_libraries  # noqa: F401
