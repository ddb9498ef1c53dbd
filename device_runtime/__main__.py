"""`python -m device_runtime`: see cli.py."""

import sys

from device_runtime.cli import main

sys.exit(main())
