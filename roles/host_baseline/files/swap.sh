#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sh -c swap.sh check|set MEGABYTES: the swap file has this size and is in use; 0 for none. `check` changes nothing.
set -eu
action=$0 megabytes=$1
right() { [ "$(stat -c %s /swapfile 2>/dev/null)" = "$((megabytes * 1048576))" ]; }
as_wanted() {
  if [ "$megabytes" -eq 0 ]; then [ ! -e /swapfile ]; else right && systemctl --quiet is-active swapfile.swap; fi
}
if [ "$action" = check ]; then
  as_wanted
  exit
fi
umask 077
systemctl daemon-reload
if as_wanted; then exit 0; fi
if ! right; then
  swapoff /swapfile 2>/dev/null || true
  rm -f /swapfile
  [ "$megabytes" -gt 0 ] || exit 0
  # under its name only when it is complete
  fallocate -l "${megabytes}M" /swapfile.new
  mkswap /swapfile.new
  mv /swapfile.new /swapfile
fi
systemctl enable swapfile.swap
systemctl restart swapfile.swap
