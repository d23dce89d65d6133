"""A signer that is waited for, as one on a PKCS#11 token or of a key management service: for so long, and no longer."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread
from typing import Any, Final

from joserfc.jws import JWSRegistry

from .asking_others import asking
from .errors import ConfigurationError, ServerError, TemporarilyUnavailable
from .signers import MEMBERS, Key, PublicKey, Signer, is_kid, read_public_key

PATIENCE: Final = 0.1
"""Seconds to wait for one of the places of a signer."""
PLACES: Final = 16
"""Requests that wait for a signer at most. A call that hangs keeps its place until it ends."""


class OutsideSigner:
    """Others run while it is waited for, and never longer than `timeout`.

    What it answers is verified before anybody gets it: a service that writes signatures in another form, or that failed
    while it computed one, is noticed here and not by an app.
    """

    def __init__(self, signer: Signer, *, name: str, timeout: float) -> None:
        """`timeout` in seconds; `name` is for messages. Raises ConfigurationError where its public key is none."""
        self.name = name
        self._signer = signer
        self._public = _public_key_of(signer, name)
        self._timeout = timeout
        self._places = BoundedSemaphore(PLACES)

    @property
    def algorithm(self) -> str:
        """RFC 7518 3.1."""
        return self._public.algorithm

    @property
    def kid(self) -> str:
        """RFC 7517 4.5."""
        return self._public.kid

    @property
    def key(self) -> Key:
        """The public key."""
        return self._public.key

    @property
    def public_jwk(self) -> Mapping[str, Any]:
        """RFC 7517 4."""
        return self._public.public_jwk

    def sign(self, signing_input: bytes) -> bytes:
        """RFC 7515 5.1. Raises TemporarilyUnavailable where it fails or is too slow, ServerError where it is wrong."""
        answer: Future[bytes] = Future()
        with asking(f"signer of {self.name}"):
            if not self._places.acquire(timeout=PATIENCE):
                raise self._unavailable("too many requests wait for it")
            Thread(target=self._ask, args=(signing_input, answer), name=f"signer {self.name}", daemon=True).start()
            try:
                signature = answer.result(self._timeout)
            except TimeoutError:
                raise self._unavailable(f"no signature within {self._timeout:g} s") from None
        self._verify(signing_input, signature)
        return signature

    def _ask(self, signing_input: bytes, answer: Future[bytes]) -> None:
        try:
            answer.set_result(self._signer.sign(signing_input))
        except Exception as error:
            answer.set_exception(error)
        except BaseException as error:  # which would end the request's thread too
            answer.set_exception(RuntimeError(type(error).__name__))
        finally:
            self._places.release()

    def _verify(self, signing_input: bytes, signature: bytes) -> None:
        algorithm = JWSRegistry(algorithms=[self.algorithm]).get_alg(self.algorithm)
        if not isinstance(signature, bytes) or not algorithm.verify(signing_input, signature, self.key):
            raise ServerError(
                "the provider is misconfigured",
                hint=f"signer of {self.name}: {self.kid} gives no {self.algorithm} signatures (RFC 7518 3.3, 3.4)",
            )

    def _unavailable(self, why: str) -> TemporarilyUnavailable:
        return TemporarilyUnavailable(hint=f"signer of {self.name}: {why}")


def _public_key_of(signer: Signer, name: str) -> PublicKey:
    """What it says of its key, as a key that can be published. Raises ConfigurationError."""
    try:
        jwk = dict(signer.public_jwk)
        public = read_public_key({member: jwk[member] for member in MEMBERS if member in jwk})
    except (TypeError, ValueError, AttributeError, ConfigurationError) as error:
        why = f": {error}" if isinstance(error, ConfigurationError) else ""
        raise ConfigurationError(f"{name}: a signer without a public key that can be published{why}") from None
    if signer.algorithm != public.algorithm:
        raise ConfigurationError(f"{name}: a signer with another algorithm than its key is for, {public.algorithm}")
    kid = jwk.get("kid") or public.kid
    if not is_kid(kid):
        raise ConfigurationError(f"{name}: a signer whose kid is no text, or too long")
    return PublicKey(public.algorithm, public.key, kid)
