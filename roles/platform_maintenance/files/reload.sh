#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sh -c reload.sh FOLDER: nginx takes up what is in FOLDER. What it would not start with is removed again.
set -eu
[ -n "$(docker ps --quiet --filter 'name=^platform-nginx$')" ] || exit 0
if ! docker exec platform-nginx nginx -t -q -c /etc/platform/nginx.conf; then
  rm -f "$0/http.conf" "$0/server.conf"
  exit 1
fi
docker exec platform-nginx nginx -c /etc/platform/nginx.conf -s reload
