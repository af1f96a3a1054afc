#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sh -c ready.sh STACK_DIR STATE_DIR: whether this server can be switched to maintenance. Changes nothing.
set -eu
if ! grep -qs /srv/maintenance/ "$0/nginx/nginx.conf"; then
  echo "nginx on this server does not know the maintenance page yet: run site first" >&2
  exit 1
fi
# a file in the place of a volume that is not mounted would keep it from being mounted
if [ -z "$(ls -A "$1")" ]; then
  echo "$1 is empty: the volume is not mounted; run recover" >&2
  exit 1
fi
