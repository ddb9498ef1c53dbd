"""Draw the app's icon: the cat's head of Android's `ic_launcher_foreground.xml`, for iOS's asset catalog.

    .venv/bin/python ios_app/tools/make_icon.py        # writes Resources/Assets.xcassets/AppIcon.appiconset

Three pictures of 1024 pixels: any appearance; dark, which iOS lays on its own ground; tinted, grey for iOS to colour.
"""

from __future__ import annotations

import io
import json
from pathlib import Path as File

from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, PathPatch, Polygon
from matplotlib.path import Path
from PIL import Image

FOLDER = File(__file__).resolve().parent.parent / "Resources" / "Assets.xcassets" / "AppIcon.appiconset"
PIXELS = 1024
INNER = 72
"""Of Android's 108 units, those that iOS's icon shows: Android's masks cut the rest."""

HEAD = [
    (Path.MOVETO, (34, 38)),
    (Path.LINETO, (36, 26)),
    (Path.LINETO, (48, 35)),
    *((Path.CURVE3, point) for point in [(54, 33), (60, 35)]),
    (Path.LINETO, (72, 26)),
    (Path.LINETO, (74, 38)),
    *(
        (Path.CURVE3, point)
        for point in [(80, 48), (78, 58), (74, 78), (54, 80), (34, 78), (30, 58), (28, 48), (34, 38)]
    ),
    (Path.CLOSEPOLY, (34, 38)),
]
EYES = [(44, 54), (64, 54)]
NOSE = [(51, 65), (57, 65), (54, 69)]

BROWN, CREAM, GREY, BLACK = "#8A4B2F", "#FBF7F4", "#D0D0D0", "#000000"
"""The first two as in Android's `colors.xml`."""
APPEARANCES = {"any": (BROWN, CREAM, BROWN), "dark": (None, CREAM, BLACK), "tinted": (BLACK, GREY, BLACK)}
"""Background, head, and what is drawn on the head."""


def draw(background: str | None, head: str, features: str) -> Image.Image:
    figure = Figure(figsize=(1, 1), dpi=PIXELS)
    axes = figure.add_axes((0, 0, 1, 1))
    margin = (108 - INNER) / 2
    axes.set(xlim=(margin, 108 - margin), ylim=(108 - margin, margin))
    axes.set_axis_off()
    codes, points = zip(*HEAD, strict=True)
    axes.add_patch(PathPatch(Path(points, codes), facecolor=head, linewidth=0))
    for centre in EYES:
        axes.add_patch(Ellipse(centre, 8, 10, facecolor=features, linewidth=0))
    axes.add_patch(Polygon(NOSE, facecolor=features, linewidth=0))
    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor=background or "none", metadata={"Software": None})
    picture = Image.open(file)
    return picture if background is None else picture.convert("RGB")  # Apple takes no icon with an alpha channel


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    images = []
    for name, colours in APPEARANCES.items():
        draw(*colours).save(FOLDER / f"{name}.png", optimize=True)
        entry = {"filename": f"{name}.png", "idiom": "universal", "platform": "ios", "size": "1024x1024"}
        luminosity = {"appearances": [{"appearance": "luminosity", "value": name}]}
        images.append(entry if name == "any" else entry | luminosity)
    contents = {"images": images, "info": {"author": "xcode", "version": 1}}
    (FOLDER / "Contents.json").write_text(json.dumps(contents, indent=2) + "\n")


if __name__ == "__main__":
    main()
