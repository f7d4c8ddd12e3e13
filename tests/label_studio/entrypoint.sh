#!/bin/sh
# Starts Label Studio on port 8080; an empty data folder gets the database that was migrated when the image was built.
set -eu
data="$LABEL_STUDIO_BASE_DATA_DIR"
export TMPDIR="$data/tmp"
mkdir -p "$TMPDIR"
if [ ! -e "$data/label_studio.sqlite3" ]; then
    cp /opt/label-studio/label_studio.sqlite3 "$TMPDIR/label_studio.sqlite3"
    mv "$TMPDIR/label_studio.sqlite3" "$data/label_studio.sqlite3"
fi
exec label-studio start --no-browser --internal-host 0.0.0.0 -p 8080 "$@"
