"""Takes a picture of every page: `make screenshots` writes docs/screenshots. Look at them."""

from __future__ import annotations

import sys
import tempfile
from base64 import b64decode
from io import BytesIO
from pathlib import Path

from PIL import Image

from .chromium import start_chromium
from .pages import LIMITS, PAGES
from .person import PHONE, Person
from .world import World

DESK = {"width": 760, "height": 600, "deviceScaleFactor": 2, "mobile": False}
PORTS = (8401, 8402, 8403)
COLOURS = 128


def picture(person: Person, file: Path) -> None:
    """The whole page, with few colours: there are few, and the file is small."""
    shot = person.chromium.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    image = Image.open(BytesIO(b64decode(shot["data"]))).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


def main(folder: Path, languages: tuple[str, ...] = ("en", "de")) -> None:
    """A file for each page, in light and dark and at the width of a phone."""
    folder.mkdir(parents=True, exist_ok=True)
    person = Person(start_chromium())
    with tempfile.TemporaryDirectory() as place:
        world = World(Path(place), port=8400, app_ports=PORTS, environment=LIMITS)
        with world:
            user = world.new_user("ada")
            for name, page in PAGES.items():
                person.forget_everything()
                page(person, world, user)
                ...


if __name__ == "__main__":
    main(Path(sys.argv[1]))
