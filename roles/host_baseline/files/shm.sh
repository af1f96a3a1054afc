#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sh -c shm.sh check|set OPTIONS: /dev/shm is mounted with OPTIONS, or as the distribution does where they are empty. `check` changes nothing.
set -eu
action=$0 options=$1
if [ "$action" = check ]; then
  line="tmpfs /dev/shm tmpfs ${options:-nodev,nosuid,noexec} 0 0"
  if [ -n "$options" ]; then
    grep -qsxF "$line" /etc/fstab
  elif grep -qsxF "$line" /etc/fstab; then
    exit 1
  fi
  exit 0
fi
sed -i '\|^tmpfs /dev/shm |d' /etc/fstab
if [ -n "$options" ]; then
  echo "tmpfs /dev/shm tmpfs $options 0 0" >>/etc/fstab
  mount -o "remount,$options" /dev/shm
else
  mount -o remount,nodev,nosuid,exec /dev/shm || true
fi
