#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# take.sh STATE_DIR NAME PATH SERVICE...: starts everything on the volume that is mounted, and is back when visitors can be served: their page answers,
# and the services that the application uses are healthy. Safe to repeat.
set -eu
state=$1 name=$2 path=$3
shift 3
mountpoint --quiet "$state" || { echo "$state is not mounted" >&2; exit 1; }
# The runner's workspace is a file system in a file of the volume, which came a moment ago.
if systemctl cat platform-workspace.service >/dev/null 2>&1; then systemctl start platform-workspace.service; fi
# shellcheck disable=SC2046 # one word per container
docker start $(docker ps --all --quiet --filter label=platform.part=base) >/dev/null
quetrex-release --json ensure >/dev/null
deadline=$(($(date +%s) + 60))
well() {
  for service in "$@"; do [ -n "$(docker ps --quiet --filter "name=^platform-$service\$" --filter health=healthy)" ] || return 1; done
}
# The page itself is asked: Docker takes up to its interval to call a container healthy again that ran on without what it uses. What the application
# does not use keeps nobody waiting.
while ! { well "$@" &&
          curl --silent --fail --insecure --max-time 3 --output /dev/null --resolve "$name:443:127.0.0.1" "https://$name$path"; }; do
  if [ "$(date +%s)" -ge "$deadline" ]; then
    docker ps --all --filter name=^platform- --format '{{.Names}}: {{.Status}}' >&2
    exit 1
  fi
  sleep 0.2
done
