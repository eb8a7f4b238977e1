"""Numbers with errors as text: the error decides how many digits are shown."""

from __future__ import annotations

import math

_MAX_DECIMALS = 9


def rounded(value: float, down: float, up: float) -> tuple[str, str, str]:
    """Return value and errors as text with two significant digits of the smaller error.

    Parameters
    ----------
    value : float
    down, up : float
        Distances to the lower and upper end of the interval; one that is zero or not
        finite does not decide. Without any error the value has four significant digits.

    Examples
    --------
    >>> rounded(8.1234, 0.0996, 0.234)
    ('8.12', '0.10', '0.23')
    >>> rounded(812.3, 95.0, 140.0)
    ('812', '95', '140')
    """
    known = [e for e in (down, up) if math.isfinite(e) and e > 0.0]
    if not known:
        return f"{value:.4g}", f"{down:.4g}", f"{up:.4g}"
    exponent = int(f"{min(known):.1e}".split("e")[1])
    decimals = min(max(1 - exponent, 0), _MAX_DECIMALS)
    return f"{value:.{decimals}f}", f"{down:.{decimals}f}", f"{up:.{decimals}f}"
