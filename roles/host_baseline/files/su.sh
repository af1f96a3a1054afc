#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sh -c su.sh check|set GROUP: only members of GROUP may use su; everybody where GROUP is empty. `check` changes nothing.
set -eu
action=$0 group=$1 file=/etc/pam.d/su rule='auth required pam_wheel.so use_uid group='
if [ "$action" = check ]; then
  if [ -n "$group" ]; then
    grep -qsxF "$rule$group" "$file"
  elif grep -qs "^$rule" "$file"; then
    exit 1
  fi
  exit 0
fi
sed -i "/^$rule/d" "$file"
[ -n "$group" ] || exit 0
groupadd --force --system "$group"
sed -i "0,/^auth.*pam_rootok.so/s//&\\n$rule$group/" "$file"
