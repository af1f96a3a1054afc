#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sh -c healthy.sh: whether the runner's container runs and is healthy. Changes nothing.
set -eu
[ -n "$(docker ps --quiet --filter 'name=^runner$' --filter health=healthy)" ]
