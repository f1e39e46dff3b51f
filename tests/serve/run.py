"""``python -m tests.serve.run FOLDER …``: ``xlt serve`` with a bundle that is made."""

import sys

from xlt.cli import main
from xlt.serve import pool

if __name__ == "__main__":
    pool.OPENER = "tests.serve.made:open_bundle"
    sys.exit(main(["serve", *sys.argv[1:]]))
