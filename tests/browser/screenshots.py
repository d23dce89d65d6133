"""Takes a picture of every page: `make screenshots`. Look at them: would you be proud of them?"""

from __future__ import annotations

import argparse
import tempfile
from base64 import b64decode
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from .chromium import start_chromium
from .pages import LIMITS, PAGES
from .person import PHONE, Person
from .world import World

DESK = {"width": 760, "height": 480, "deviceScaleFactor": 1, "mobile": False}
OVERVIEW = {"login": 500, "consent": 500, "account": 740}
"""The pages that README shows, and how wide."""
PORT, APP_PORTS = 8400, (8401, 8402, 8403)
"""The addresses on the pages are those of the demonstration, and the same in every picture."""
COLOURS = 160
SCHEMES = {"-dark": "dark"}


def main() -> None:
    """Each page in light and dark, and at the width of a phone; and some of them side by side, for README."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--language", default="en")
    named = parser.parse_args()
    named.folder.mkdir(parents=True, exist_ok=True)
    person = Person(start_chromium())
    with (
        tempfile.TemporaryDirectory() as folder,
        World(Path(folder), port=PORT, app_ports=APP_PORTS, environment=LIMITS) as world,
    ):
        user = world.new_user("ada")
        overview: dict[str, list[Image.Image]] = {"": [], "-dark": []}
        for name, page in PAGES.items():
            world.end_sessions(user)
            person.forget_everything()
            person.prefer(language=named.language)
            page(person, world, user)
            take_all(person, named.folder, name, named.language)
            for suffix, images in overview.items():
                if name in OVERVIEW:
                    images.append(look(person, {**DESK, "width": OVERVIEW[name]}, suffix, named.language))
    person.chromium.quit()
    for suffix, images in overview.items():
        save(side_by_side(images), named.folder / f"overview{suffix}.png")


def take_all(person: Person, folder: Path, name: str, language: str) -> None:
    """The page that is there, as different people see it."""
    for metrics, suffix in ((DESK, ""), (DESK, "-dark"), (PHONE, "-phone")):
        save(look(person, metrics, suffix, language), folder / f"{name}{suffix}.png")


def look(person: Person, metrics: Mapping[str, Any], suffix: str, language: str) -> Image.Image:
    """The whole page, as wide as the screen and as high as need be."""
    person.prefer(scheme=SCHEMES.get(suffix, "light"), language=language)
    person.look_through(metrics)
    content = person.chromium.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    options = {"captureBeyondViewport": True, "clip": {**content, "scale": 1}}
    shot = person.chromium.execute_cdp_cmd("Page.captureScreenshot", options)
    return Image.open(BytesIO(b64decode(shot["data"]))).convert("RGB")


def side_by_side(images: list[Image.Image]) -> Image.Image:
    """As high as the second of them: what is longer is cut off."""
    height = images[1].height
    strip = Image.new("RGB", (sum(image.width for image in images), height))
    left = 0
    for image in images:
        strip.paste(image.getpixel((0, image.height - 1)), (left, 0, left + image.width, height))
        strip.paste(image, (left, 0))
        left += image.width
    return strip


def save(image: Image.Image, file: Path) -> None:
    """There are few colours on a page, and a file with few colours is small."""
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    main()
