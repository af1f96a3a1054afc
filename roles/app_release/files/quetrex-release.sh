#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# the second is there on several servers only
cd / && PYTHONPATH=/usr/local/lib/quetrex-release:/usr/local/lib/quetrex-node exec python3 -m quetrex_release "$@"
