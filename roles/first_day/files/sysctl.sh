#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sh -c sysctl.sh: which parameters of the kernel are not what the platform's file says. Changes nothing.
while IFS='=' read -r key value; do
  case $key in '' | '#'* | ';'*) continue ;; esac
  key=$(printf '%s' "${key#-}" | tr -d ' ')
  value=$(printf '%s' "$value" | xargs)
  found=$(sysctl -n "$key" 2>/dev/null | xargs) || continue
  [ -z "$found" ] || [ "$found" = "$value" ] || echo "$key is $found, not $value"
done </etc/sysctl.d/90-platform.conf
