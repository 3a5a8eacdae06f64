#!/bin/bash
# Writes the digest that each image has today behind its tag, in the FROM lines of the Dockerfiles beside this script:
#   docker/pin_images.sh           needs docker with buildx and its registry; commit what it changed
#   docker/pin_images.sh --check   tells which lines have none, and fails where there is one
set -euo pipefail
cd "$(dirname "$0")"

# Images of a registry have a tag; a stage of the same file has none.
unpinned=$(grep -hoP '^FROM \K[\w./-]+:[\w.-]+(?![\w.-]|@)' ./*.Dockerfile | sort -u || true)

if [ "${1:-}" = --check ]; then
  [ -z "$unpinned" ] && exit 0
  echo "docker: expected images by digest, found $(echo $unpinned). Run docker/pin_images.sh." >&2
  exit 1
fi
for image in $unpinned; do
  digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')
  if [[ ! "$digest" =~ ^sha256:[0-9a-f]{64}$ ]]; then
    echo "$image: expected the registry to tell sha256:..., found '$digest'. Nothing was changed for it." >&2
    exit 1
  fi
  sed -i "s|^FROM $image\( .*\)\?\$|FROM $image@$digest\1|" ./*.Dockerfile
  echo "$image@$digest"
done
