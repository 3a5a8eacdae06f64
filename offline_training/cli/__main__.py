"""`python -m offline_training.cli`, which torchrun needs: the same as `lidar-vl-train`."""

import sys

from offline_training.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
