"""Look for things by name in a cloud: python docs/examples/ask_with_words.py PACKAGE CLOUD WORD [WORD ...]

PACKAGE is a folder that `lidar-vl-train export --text-encoder` wrote, CLOUD a .bin, .pcd, .ply or .npz file. Writes words.png.
"""

import sys

import lidar_vl_core


def main(package: str, cloud: str, words: list[str]) -> None:
    """Give every point the word that fits it best, and say how many points each word has."""
    model = lidar_vl_core.load(package)
    model.set_words(words)
    labelled = model.segment(cloud)
    for word, points in labelled.counts().items():
        share = 100 * points / len(labelled)
        print(f"{word:<24}{points:>9,} points  {share:5.1f} %")
    labelled.save("words.png")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
