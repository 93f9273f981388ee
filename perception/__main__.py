"""`python -m perception` is the command `perception`."""

import os

# OpenBLAS starts a thread for each core where NumPy is imported, which takes 40 ms; the node has its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from perception.app.cli import main

if __name__ == "__main__":
    main()
