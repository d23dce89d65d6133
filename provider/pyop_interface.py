"""pyop's `Provider` interface."""

from pyop.provider import Provider


class PyopInterface(Provider):
    def start_pyop_interface(self) -> None:
        pass
