#!/bin/sh
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Takes off this server all that belongs to it alone, looks whether a secret is left, and switches it off. It cannot be logged into afterwards.
set -eu

# What runs may write again what is removed here.
for unit in docker.socket docker.service containerd.service cron.service unattended-upgrades.service apt-daily.timer apt-daily-upgrade.timer; do
  if systemctl --quiet is-active "$unit"; then systemctl stop "$unit"; fi
done

# cloud-init shall believe it has never run, and read its data again.
cloud-init clean --logs --seed
rm -rf /var/lib/cloud/instances /var/lib/cloud/instance /var/lib/cloud/seed /var/lib/cloud/data

# Identity and logins: cloud-init and the platform's roles recreate them.
rm -f /etc/ssh/ssh_host_*
rm -rf /root/.ssh /home/*/.ssh /etc/ssh/authorized_keys.d/* /etc/sudoers.d/90-cloud-init-users
rm -f /var/lib/dbus/machine-id /var/lib/docker/engine-id /etc/docker/key.json
# empty, not missing: a missing one would have systemd enable and disable units as for a first boot
: > /etc/machine-id

# What was noted on the way.
rm -rf /root/.ansible /home/*/.ansible /root/.bash_history /home/*/.bash_history /root/.cache /home/*/.cache /root/.docker /home/*/.docker
rm -rf /var/backups/* /var/crash/* /var/spool/mail/* /var/lib/dhcp/* /var/lib/systemd/coredump/*
find /tmp /var/tmp -mindepth 1 -delete 2>/dev/null || true
apt-get clean

if [ -e /etc/platform/volume.key ]; then
  echo "a volume's key is left in /etc/platform/volume.key" >&2
  exit 1
fi

rm -f /run/golden-image/config.json
left=$(grep -rIlE 'PRIVATE KEY-----|"auths": *\{ *"' /etc /home /root /opt /srv /var/lib/cloud /var/lib/platform-host 2>/dev/null || true)
if [ -n "$left" ]; then
  echo "secrets are left in: $left" >&2
  exit 1
fi

# The rest when this login is over: logs, the seed of randomness, and the power, before anything writes them again.
cat > /run/golden-image/off.sh <<'OFF'
sleep 2
systemctl stop systemd-journald.socket systemd-journald-dev-log.socket systemd-journald-audit.socket systemd-journald.service rsyslog.service
find /var/log -type f -delete
rm -f /var/lib/systemd/random-seed /run/golden-image/*
sync
systemctl poweroff --force --force
OFF
systemd-run --quiet --collect --no-block --unit=golden-image-off /bin/sh /run/golden-image/off.sh
