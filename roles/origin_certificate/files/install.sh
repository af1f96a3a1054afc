#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sh -c install.sh NEW_KEY KEY NEW_CERTIFICATE CERTIFICATE: both take the place of what was there.
set -eu
mv "$0" "$1"
mv "$2" "$3"
