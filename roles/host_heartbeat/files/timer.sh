#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sh -c timer.sh: whether the heartbeat's timer is on. Changes nothing.
set -eu
systemctl --quiet is-enabled platform-heartbeat.timer
systemctl --quiet is-active platform-heartbeat.timer
