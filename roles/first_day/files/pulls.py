# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many pulls Docker Hub still allows this address. Asked for by a HEAD, which counts as none."""

import json
import urllib.request

PLACE = "ratelimitpreview/test"
with urllib.request.urlopen(f"https://auth.docker.io/token?service=registry.docker.io&scope=repository:{PLACE}:pull", timeout=10) as told:
    token = json.load(told)["token"]
asked = urllib.request.Request(f"https://registry-1.docker.io/v2/{PLACE}/manifests/latest", method="HEAD", headers={"Authorization": f"Bearer {token}"})
with urllib.request.urlopen(asked, timeout=10) as answer:
    print(answer.headers.get("ratelimit-remaining", "").partition(";")[0])
