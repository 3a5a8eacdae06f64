#!/bin/bash
# The command, as process 1 so that it gets the signals. /tmp and /data are the places that are written to.
set -e
if [ ! -d "$NUMBA_CACHE_DIR" ]; then
  cp -r /opt/lidar-vl/compiled "$NUMBA_CACHE_DIR.new" && mv -T "$NUMBA_CACHE_DIR.new" "$NUMBA_CACHE_DIR"
fi
exec "$@"
