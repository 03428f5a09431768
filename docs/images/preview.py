"""Cuts the pictures of the docs out of the preview of the sample: `python docs/images/preview.py SAMPLE_000.jpg`."""

import sys
from pathlib import Path

import cv2
import numpy as np

from talkmill.preview.sheet import CHART, GAP, LINE, MARGIN, TILE

# Rows of a preview of a 16:9 source without reasons, from its lower edge: name and height; parts show three columns.
HERE, SHOWN, WIDTH, QUALITY = Path(__file__).parent, 3, 1040, 73


def write(name: str, image: np.ndarray, width: int) -> None:
    height = round(image.shape[0] * width / image.shape[1])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(HERE / name), small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def main() -> None:
    sheet = cv2.imread(sys.argv[1])
    tile = TILE + GAP
    crop = LINE + 10 + CHART + LINE + GAP + TILE * 9 // 16 + GAP
    edge, head = len(sheet) - tile, len(sheet) - 2 * tile
    columns = np.s_[: MARGIN + SHOWN * tile]
    write("preview.jpg", sheet, WIDTH)
    for name, rows in (("points", np.s_[crop:head]), ("head", np.s_[head:edge]), ("matte", np.s_[edge:])):
        write(f"preview_{name}.jpg", sheet[rows, columns], WIDTH * 2 // 3)


if __name__ == "__main__":
    main()
