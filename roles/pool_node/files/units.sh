#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sh -c units.sh: whether the units that start quetrex-node are on. Changes nothing.
set -eu
for unit in quetrex-node.path quetrex-node.timer; do
  systemctl --quiet is-enabled "$unit"
  systemctl --quiet is-active "$unit"
done
