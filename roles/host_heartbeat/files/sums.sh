#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sh -c sums.sh check|set SUMS PATH...: SUMS has the sum of every file in PATHs, with its name, so that a new file counts as well.
# `check` changes nothing.
set -eu
action=$0 sums=$1
shift
# file names may hold anything but a NUL; a name with a line end is escaped by sha256sum, which its own --check undoes
now() { [ $# -eq 0 ] || find "$@" -type f -print0 2>/dev/null | sort -z | xargs -0 -r sha256sum; }
if [ "$action" = check ]; then
  now "$@" | cmp --silent - "$sums"
else
  umask 077
  now "$@" >"$sums"
fi
