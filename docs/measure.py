"""`python docs/measure.py NAME ...` measures; `python docs/measure.py fill [NAME ...]` fills the pages."""

from __future__ import annotations

import sys

from measuring.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
