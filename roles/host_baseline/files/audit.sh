#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sh -c audit.sh: auditd follows the rules in its folder, where it runs.
set -eu
if systemctl --quiet is-active auditd.service; then augenrules --load; fi
