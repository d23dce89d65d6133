"""S: the time of one RSA-2048 signature by OpenSSL, in which all costs are quoted."""

from __future__ import annotations

import statistics
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_GROUP = 20
_GROUPS = 25
_MESSAGE = b"x" * 400


class SignatureClock:
    """Measures S whenever it is asked to, and keeps the least: what disturbs only ever adds."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._measured: list[float] = []

    def measure(self) -> None:
        """CPU seconds of a signature: the median of some hundred, in groups."""
        times = []
        for _ in range(_GROUPS):
            begun = time.process_time()
            for _ in range(_GROUP):
                self._key.sign(_MESSAGE, padding.PKCS1v15(), hashes.SHA256())
            times.append((time.process_time() - begun) / _GROUP)
        self._measured.append(statistics.median(times))

    @property
    def seconds(self) -> float:
        """S: the least of the medians."""
        return min(self._measured)
