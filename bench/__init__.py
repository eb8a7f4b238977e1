"""Workloads measured beside the peer packages: ``python -m bench``.

Peers run on one thread, like ours: the limits are set here, before numpy is imported.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
