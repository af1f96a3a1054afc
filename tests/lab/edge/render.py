# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the Cloudflare API's state to the configurations of the edge's two nginx: pure functions over plain data.

One meets the visitors, the other one the origins. What changes on the way to an origin (an address, a certificate revoked) reloads the second
alone: a reload closes idle connections, and no visitor may lose one because a certificate was revoked.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.api.cloudflare import access, packs
from lab.api.cloudflare.expressions import parse
from lab.api.cloudflare.rulesets import PHASE
from lab.api.cloudflare.settings import SETTINGS

Json = dict[str, Any]
# What is cached without any rule.
EXTENSIONS = (
    "7z avi avif apk bin bmp bz2 class css csv doc docx dmg ejs eot eps exe flac gif gz ico iso jar jpg jpeg js mid midi mkv mp3 mp4 "
    "ogg otf pdf pict pls png ppt pptx ps rar svg svgz swf tar tif tiff ttf webm webp woff woff2 xls xlsx zip zst"
)
PROTOCOLS = {"1.0": "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3", "1.1": "TLSv1.1 TLSv1.2 TLSv1.3", "1.2": "TLSv1.2 TLSv1.3", "1.3": "TLSv1.3"}


@dataclass(frozen=True)
class Files:
    """Where the edge finds and keeps its things."""

    folder: Path
    trust: Path
    revoked: Path
    pull_key: Path
    pull_cert: Path
    trouble: Path
    legs: Path
    certificates: dict[str, tuple[Path, Path]]
    connect_timeout: int = 19


def setting(zone: Json, name: str) -> Any:
    """A zone setting, or the vendor's default."""
    return zone["settings"].get(name, {"value": SETTINGS[name][1]})["value"]


def origins(zone: Json, name: str, depth: int = 5) -> list[str]:
    """The addresses behind a name, CNAMEs inside the zone followed."""
    rows = [row for row in zone["records"].values() if row["name"] == name]
    found = [row["content"] for row in rows if row["type"] in ("A", "AAAA")]
    for row in rows:
        if row["type"] == "CNAME" and depth:
            found += origins(zone, row["content"].lower().rstrip("."), depth - 1)
    return sorted(found)


def proxied(zone: Json) -> list[str]:
    """The names that visitors reach through the edge."""
    return sorted({row["name"] for row in zone["records"].values() if row["proxied"] and row["type"] in ("A", "AAAA", "CNAME") and "*" not in row["name"]})


def hosts(state: Json, edge: list[str]) -> str:
    """The zones as a hosts file: proxied names are the edge, the others what their records say."""
    lines = []
    for zone in state["zones"].values():
        if packs.status(zone) != "active":
            continue  # nobody asks Cloudflare's name servers for it
        behind = set(proxied(zone))
        plain = {row["name"] for row in zone["records"].values() if row["type"] in ("A", "AAAA", "CNAME") and "*" not in row["name"]} - behind
        lines += [f"{address} {name}" for name in sorted(behind) for address in edge]
        lines += [f"{address} {name}" for name in sorted(plain) for address in origins(zone, name)]
    return "".join(f"{line}\n" for line in lines)


def pattern(target: str) -> str:
    """A page rule's target as a regular expression over the full address; each asterisk is a group. No scheme means both."""
    scheme, separator, rest = target.rpartition("://")
    head = re.escape(scheme + separator) if separator else "https?://"
    return "^" + head + "(.*)".join(re.escape(part) for part in rest.split("*")) + "$"


def page_rule(rule: Json) -> Json:
    """What the edge needs of a page rule."""
    actions = {action["id"]: action.get("value") for action in rule["actions"]}
    return {
        "pattern": pattern(rule["targets"][0]["constraint"]["value"]),
        "cache_level": actions.get("cache_level"),
        "edge_ttl": actions.get("edge_cache_ttl"),
        "redirect": actions.get("forwarding_url"),
        "https": "always_use_https" in actions,
    }


def cache_rule(rule: Json) -> Json:
    """What the edge needs of a cache rule."""
    parameters = rule.get("action_parameters") or {}
    edge = parameters.get("edge_ttl") or {}
    ttl = {"override_origin": edge.get("default"), "respect_origin": 0, "bypass_by_default": 0}.get(edge.get("mode", ""))
    return {
        "tree": parse(rule["expression"]),
        "cache": parameters.get("cache"),
        "edge_ttl": ttl,
    }


def decisions(state: Json) -> list[Json]:
    """Every zone's rules, in the order in which they are asked."""
    rows = []
    for zone in state["zones"].values():
        active = sorted((rule for rule in zone["page_rules"] if rule["status"] == "active"), key=lambda rule: -rule["priority"])
        cache = zone["rulesets"].get(PHASE, {"rules": []})["rules"]
        rows.append(
            {
                "name": zone["name"],
                "fight": bool(zone["bot_management"].get("fight_mode")),
                "cache_level": setting(zone, "cache_level"),
                "extensions": EXTENSIONS.split(),
                "page_rules": [page_rule(rule) for rule in active],
                "cache_rules": [cache_rule(rule) for rule in cache if rule["enabled"]],
            }
        )
    return rows


def ttls(state: Json) -> list[int]:
    """Every edge TTL some rule asks for."""
    rules = [rule for zone in decisions(state) for rule in [*zone["page_rules"], *zone["cache_rules"]]]
    return sorted({rule["edge_ttl"] for rule in rules if rule["edge_ttl"]})


def rules_script(state: Json) -> str:
    """The rules as a module for the edge's JavaScript."""
    return f"export default {json.dumps(decisions(state), indent=1)};\n"


def configuration(state: Json, files: Files) -> str:
    """What meets the visitors: certificates, redirects, rules and cache."""
    zones = [zone for zone in state["zones"].values() if proxied(zone)]
    lowest = max((setting(zone, "min_tls_version") for zone in zones), default="1.2")
    blocks = [let_in(zone) for zone in zones] + [block for zone in zones for name in proxied(zone) for block in host(state, zone, name, files)]
    return (
        HEAD.format(files=files, name="nginx", patience="5s", protocols=PROTOCOLS[lowest], level="" if lowest >= "1.2" else ":@SECLEVEL=0")
        + "\n".join(blocks)
        + "\n}\n"
    )


def let_in(zone: Json) -> str:
    """Which addresses an IP Access rule lets through."""
    lines = "".join(f" {address} yes;" for address in access.let_in(zone))
    return f"geo $let_in_{zone['id'][:8]} {{ default no;{lines} }}"


def host(state: Json, zone: Json, name: str, files: Files) -> list[str]:
    """Servers of one proxied name. While the zone has no certificate, every handshake fails."""
    key, certificate = files.certificates[zone["name"]]
    secure = (
        "listen 443 ssl http2; listen [::]:443 ssl http2; ssl_reject_handshake on;"
        if not packs.has_certificate(zone)
        else f"listen 443 ssl http2; listen [::]:443 ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key};"
    )
    body = locations(state) if origins(zone, name) else "return 530;"
    plain = "return 301 https://$host$request_uri;" if setting(zone, "always_use_https") == "on" else body
    head = f"server_name {name}; set $zone_key {zone['id'][:8]}.{zone['cache_generation']}; set $let_in $let_in_{zone['id'][:8]};"
    return [f"server {{ listen 80; listen [::]:80; {head} {plain} }}", f"server {{ {secure} {head} {body} }}"]


def legs(state: Json, files: Files) -> str:
    """What meets the origins: addresses, TLS, and what is said about an origin that gives no answer."""
    blocks = [leg(zone, name, files) for zone in state["zones"].values() for name in proxied(zone) if origins(zone, name)]
    return LEGS.format(files=files, name="legs", patience="600s") + "\n".join(blocks) + "\n}\n"


def leg(zone: Json, name: str, files: Files) -> str:
    """Upstream and server of one proxied name."""
    port = 80 if setting(zone, "ssl") in ("off", "flexible") else 443
    addresses = [f"[{address}]" if ":" in address else address for address in origins(zone, name)]
    label = "origin_" + re.sub(r"\W", "_", name)
    servers = "".join(f" server {address}:{port} max_fails=0;" for address in addresses)
    lines = [f"upstream {label} {{{servers} }}", "server {", f"  listen unix:{files.legs}; server_name {name};", "  error_page 502 504 = @trouble;"]
    return "\n".join([*lines, "  location / {", origin(zone, label, files), "  }", f"  location @trouble {{ {trouble(zone)} }}", "}"])


def locations(state: Json) -> str:
    """One named location per behaviour; the script chooses, `error_page` with a status nobody else uses jumps."""
    chosen = ["bypass", "standard", "all", *(f"{mode}_{ttl}" for ttl in ttls(state) for mode in ("standard", "all"))]
    jumps = "\n".join(f"    error_page {540 + index} = @{name}; if ($behaviour = {name}) {{ return {540 + index}; }}" for index, name in enumerate(chosen))
    proxy = "\n".join(f"    {line}" for line in ("proxy_pass http://legs;", *VISITOR))
    parts = [f"  location @{name} {{ js_header_filter edge.server; {caching(name)}\n{proxy}\n  }}" for name in chosen]
    return SERVER.format(jumps=jumps, locations="\n".join(parts))


def caching(name: str) -> str:
    """How one behaviour caches. An edge TTL overrules what the origin says and takes its cookies away."""
    mode, _separator, ttl = name.partition("_")
    if mode == "bypass":
        return "set $cache_rule dynamic;"
    common = (
        f"set $cache_rule {'forced' if ttl else 'cache'}; proxy_cache edge; proxy_cache_key $zone_key|$scheme://$host$request_uri; "
        "proxy_cache_lock on; proxy_cache_revalidate on; "
        'proxy_set_header Accept-Encoding "";'
    )
    if ttl:
        return (
            f"{common} proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Expires; proxy_hide_header Set-Cookie; "
            f"proxy_cache_valid 200 206 301 {ttl}s; proxy_cache_valid 302 303 20m; proxy_cache_valid 404 410 3m;"
        )
    return (
        f"{common} proxy_ignore_headers Vary X-Accel-Expires; proxy_cache_bypass $http_authorization; proxy_no_cache $http_authorization; "
        "proxy_cache_valid 200 206 301 120m; proxy_cache_valid 302 303 20m; proxy_cache_valid 404 410 3m;"
    )


def origin(zone: Json, label: str, files: Files) -> str:
    """The way to the origin: plain, encrypted or verified, with a client certificate when origin pulls are on."""
    mode = setting(zone, "ssl")
    lines = [f"proxy_pass {'http' if mode in ('off', 'flexible') else 'https'}://{label};"]
    if mode == "strict":
        lines.append(f"proxy_ssl_verify on; proxy_ssl_verify_depth 3; proxy_ssl_trusted_certificate {files.trust}; proxy_ssl_crl {files.revoked};")
    if setting(zone, "tls_client_auth") == "on":
        lines.append(f"proxy_ssl_certificate {files.pull_cert}; proxy_ssl_certificate_key {files.pull_key};")
    return "\n".join(f"    {line}" for line in [*lines, *ORIGIN])


def trouble(zone: Json) -> str:
    """What the helper that tells the 52x apart has to know."""
    pull = setting(zone, "tls_client_auth")
    return (
        'proxy_pass http://trouble; proxy_method GET; proxy_pass_request_body off; proxy_set_header Content-Length ""; '
        f"proxy_set_header X-Mode {setting(zone, 'ssl')}; proxy_set_header X-Pull {pull}; proxy_set_header X-Origin $upstream_addr; "
        "proxy_set_header X-Status $upstream_status; proxy_set_header X-Connect $upstream_connect_time; proxy_set_header X-Name $host; "
        'proxy_set_header Upgrade ""; proxy_set_header Connection close;'
    )


VISITOR = (
    "proxy_http_version 1.1;",
    "proxy_set_header Host $host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_to_origin;",
    "proxy_set_header CF-Connecting-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    'proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header CF-Visitor \'{"scheme":"$scheme"}\'; proxy_set_header CF-Ray $ray;',
    'proxy_set_header CDN-Loop "cloudflare; loops=1"; proxy_set_header CF-IPCountry XX; proxy_set_header True-Client-IP "";',
)

# The first nginx has made the headers and read the body. No part of an answer is kept, changed or held back on the way to it.
ORIGIN = (
    "proxy_http_version 1.1; proxy_ssl_server_name on; proxy_ssl_name $host; proxy_ssl_session_reuse off;",
    "proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_to_origin;",
    "proxy_request_buffering off; proxy_buffering off; proxy_pass_header Server; proxy_pass_header Date; proxy_pass_header X-Accel-Expires;",
    "proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset;",
)

# The vendor takes 128 KB of headers in either direction.
# Streams and sockets of the way to the origins go on after a reload, as an edge would not end them for it either.
PROCESS = """user root;
worker_processes 2;
worker_shutdown_timeout {patience};
daemon off;
pid {files.folder}/{name}.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
large_client_header_buffers 4 32k; proxy_buffer_size 128k; proxy_buffers 8 128k; proxy_busy_buffers_size 256k;
access_log off;
client_body_temp_path {files.folder}/temp/body; proxy_temp_path {files.folder}/temp/proxy; fastcgi_temp_path {files.folder}/temp/fastcgi;
uwsgi_temp_path {files.folder}/temp/uwsgi; scgi_temp_path {files.folder}/temp/scgi;
"""

HEAD = (
    "load_module modules/ngx_http_js_module.so;\n"
    + PROCESS
    + """js_path {files.folder};
js_import edge from decide.js;
js_set $behaviour edge.behaviour;
proxy_cache_path {files.folder}/cache levels=1:2 keys_zone=edge:10m max_size=512m inactive=30d use_temp_path=off;
upstream legs {{ server unix:{files.legs}; }}
map $request_id $ray {{ "~^(?<first>.{{16}})" $first-LAB; }}
map $http_upgrade $connection_to_origin {{ default upgrade; "" ""; }}
map $upstream_http_set_cookie|$upstream_http_cache_control $kept {{ default yes; "~^[^|]" no; "~*(private|no-store|no-cache|max-age=0)" no; }}
map $cache_rule:$upstream_cache_status:$kept $cf_cache_status {{
  default DYNAMIC; "~^cache:MISS:no" BYPASS; "~^(cache|forced):(?<seen>[A-Z]+):" $seen;
}}
proxy_read_timeout 150s; proxy_send_timeout 60s; client_max_body_size 100m;
proxy_next_upstream off; recursive_error_pages on; proxy_intercept_errors off; server_name_in_redirect off; absolute_redirect off;
ssl_protocols {protocols}; ssl_ciphers "DEFAULT{level}"; ssl_session_cache shared:tls:1m;
server {{ listen 80 default_server; listen [::]:80 default_server; set $cache_rule ""; return 403 "error code: 1001"; }}
server {{ listen 443 ssl http2 default_server; listen [::]:443 ssl http2 default_server; ssl_reject_handshake on; }}
"""
)

SERVER = """
  set $cache_rule "";
  proxy_hide_header CF-Cache-Status; proxy_hide_header CF-Ray; proxy_hide_header Server;
  add_header CF-Cache-Status $cf_cache_status always; add_header CF-Ray $ray always;
  location / {{
    error_page 438 = @challenge; if ($behaviour = challenge) {{ return 438; }}
    if ($behaviour = https) {{ return 301 https://$host$request_uri; }}
    error_page 439 = @redirect; if ($behaviour = redirect) {{ return 439; }}
{jumps}
  }}
  location @challenge {{ js_content edge.challenge; }}
  location @redirect {{ js_content edge.redirect; }}
{locations}
"""

LEGS = (
    PROCESS
    + """upstream trouble {{ server unix:{files.trouble}; }}
map $http_upgrade $connection_to_origin {{ default upgrade; "" ""; }}
proxy_connect_timeout {files.connect_timeout}s; proxy_read_timeout 100s; proxy_send_timeout 30s; client_max_body_size 0;
proxy_next_upstream error timeout; proxy_intercept_errors off;
server {{ listen unix:{files.legs} default_server; return 530; }}
"""
)
