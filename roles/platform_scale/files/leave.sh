#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# leave.sh STATE_DIR SECONDS: ends what was begun, stops all that writes, and lets the volume go. Safe to repeat.
set -eu
[ -e /opt/platform/stack.json ] || [ -e /etc/platform/firewall.nft ] || { echo "this is no server of the platform" >&2; exit 1; }
state=$1 seconds=$2

running() { docker ps --quiet --filter "name=^$1" ; }

# nginx takes nothing new and ends what it has: what writes is needed for that. Its --time is the limit.
front=$(running platform-nginx)
# shellcheck disable=SC2086 # one word per container
[ -z "$front" ] || docker stop --time "$seconds" $front >/dev/null
rest=$(running platform-)
# shellcheck disable=SC2086
[ -z "$rest" ] || docker stop --time 10 $rest >/dev/null

for _try in 1 2 3 4 5 6 7 8 9 10; do
  mountpoint --quiet "$state" || exit 0
  umount --recursive "$state" 2>/dev/null && exit 0
  sleep 0.3
done
echo "$state is still in use: $(fuser --mount --verbose "$state" 2>&1 || true)" >&2
exit 1
