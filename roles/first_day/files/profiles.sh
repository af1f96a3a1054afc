#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sh -c profiles.sh: every container that runs, with its profile of AppArmor. Changes nothing.
docker ps --quiet | xargs --no-run-if-empty docker inspect --format '{{.Name}} {{.AppArmorProfile}}'
