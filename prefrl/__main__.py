"""`python -m prefrl`: the same as the command `prefrl`."""

import sys

from prefrl.cli.main import main

sys.exit(main())
