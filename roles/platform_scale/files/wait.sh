#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# wait.sh STATE_DIR: stops what keeps state and empties the folder where the volume will be. What is mounted there is never touched.
set -eu
[ -e /opt/platform/stack.json ] || [ -e /etc/platform/firewall.nft ] || { echo "this is no server of the platform" >&2; exit 1; }
state=$1
if mountpoint --quiet "$state"; then exit 0; fi
# Whoever has a folder of it goes on with the one that is removed, until it is started again. nginx first, which leads visitors nowhere by now.
running() { docker ps --quiet --filter "name=^$1" 2>/dev/null || true; }
for part in $(running 'platform-nginx$') $(running platform-); do
  if docker inspect --format '{{range .Mounts}}{{println .Source}}{{end}}' "$part" | grep --quiet "^$state/"; then docker stop --time 10 "$part" >/dev/null; fi
done
# The runner's workspace is a file system in a file of this server's own disk: it goes with the rest.
awk -v below="$state/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r place; do umount "$place"; done
if [ -d "$state" ]; then find "$state" -xdev -mindepth 1 -delete; fi
