#!/bin/bash
# Adds the current digest of each base image to its tag, in the FROM lines of the Dockerfiles beside this script where none
# is; to renew a digest, remove it first.
#   docker/pin_images.sh           needs docker with buildx and the image registry; commit what it changes
#   docker/pin_images.sh --check   lists base images without a digest, and fails if there are any
set -euo pipefail
cd "$(dirname "$0")"

# Images from a registry have a tag; a stage of the same file has none.
unpinned=$(grep -hoP '^FROM \K[\w./-]+:[\w.-]+(?![\w.-]|@)' ./*.Dockerfile | sort -u || true)

if [ "${1:-}" = --check ]; then
  [ -z "$unpinned" ] && exit 0
  echo "docker: expected base images with a digest, found without one: $(echo $unpinned). Run docker/pin_images.sh." >&2
  exit 1
fi
for image in $unpinned; do
  digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')
  if [[ ! "$digest" =~ ^sha256:[0-9a-f]{64}$ ]]; then
    echo "$image: expected a digest sha256:... from the registry, found '$digest'. This image was left unchanged." >&2
    exit 1
  fi
  sed -i "s|^FROM $image\( .*\)\?\$|FROM $image@$digest\1|" ./*.Dockerfile
  echo "$image@$digest"
done
