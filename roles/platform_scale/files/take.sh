#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# take.sh STATE_DIR: starts everything on the volume that is mounted, and is back when visitors can be served. Safe to repeat.
set -eu
state=$1
mountpoint --quiet "$state" || { echo "$state is not mounted" >&2; exit 1; }
docker start platform-redis platform-nginx platform-runner >/dev/null
quetrex-release --json ensure >/dev/null
deadline=$(($(date +%s) + 60))
# A sick runner keeps nobody waiting.
while [ "$(docker ps --quiet --filter 'name=^platform-(redis|nginx|web-)' --filter health=healthy | wc -l)" -lt 3 ]; do
  if [ "$(date +%s)" -ge "$deadline" ]; then
    docker ps --all --filter name=^platform- --format '{{.Names}}: {{.Status}}' >&2
    exit 1
  fi
  sleep 0.2
done
