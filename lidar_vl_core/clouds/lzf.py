"""LZF decompression, which PCD's binary_compressed uses; format: liblzf by Marc Lehmann."""

import numpy as np

from lidar_vl_core.foundation.compiled import compiled


@compiled
def lzf_decompress(packed: np.ndarray, size: int) -> np.ndarray:
    """Unpack `packed` (uint8) into (size,) uint8; an empty array where the stream breaks the format or the size."""
    out = np.empty(size, np.uint8)
    nothing = np.empty(0, np.uint8)
    source, target, end = 0, 0, len(packed)
    while source < end:
        control = int(packed[source])
        source += 1
        if control < 32:  # a run of control + 1 literal bytes
            run = control + 1
            if source + run > end or target + run > size:
                return nothing
            out[target : target + run] = packed[source : source + run]
            source += run
            target += run
            continue
        length = control >> 5  # a copy of length + 2 bytes from what was unpacked
        if length == 7:
            if source >= end:
                return nothing
            length += int(packed[source])
            source += 1
        if source >= end:
            return nothing
        origin = target - ((control & 31) << 8) - int(packed[source]) - 1
        source += 1
        length += 2
        if origin < 0 or target + length > size:
            return nothing
        for step in range(length):  # byte by byte: the two ranges may overlap
            out[target + step] = out[origin + step]
        target += length
    return out if target == size else nothing
