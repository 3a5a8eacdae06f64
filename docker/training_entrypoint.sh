#!/bin/bash
# Runs the command as process 1, so that it gets the signals. Only /tmp and /data are written to.
set -e
if [ ! -d "$NUMBA_CACHE_DIR" ]; then
  cp -r /opt/lidar-vl/compiled "$NUMBA_CACHE_DIR.new" && mv -T "$NUMBA_CACHE_DIR.new" "$NUMBA_CACHE_DIR"
fi
exec "$@"
