"""How much memory a cloud file may ask for, whatever its header says; how many points any cloud may have."""

MAX_POINTS = 10_000_000  # the densest automotive LiDARs give under 1 million per sweep
MAX_FILE_BYTES = 1 << 29  # of a file, and of the numbers of a text
MAX_UNPACKED_BYTES = 1 << 28  # of what a compressed file unpacks to: 26 bytes for each of the most points that are read
