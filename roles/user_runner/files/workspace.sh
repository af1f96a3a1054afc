#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sh -c workspace.sh check|set FOLDER ACCOUNT: the folder and all that is in it belong to ACCOUNT. `check` changes nothing.
set -eu
action=$0 folder=$1 account=$2
if [ "$action" = check ]; then
  [ "$(stat --format %u "$folder")" = "$account" ]
  exit
fi
mkdir -p "$folder"
# what is in it changes hands first, the folder itself last, so that a run that was cut short is finished by the next
find "$folder" -depth -exec chown --no-dereference "$account:$account" {} +
chmod 0750 "$folder"
