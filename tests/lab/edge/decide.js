// Copyright: (c) 2026, Quetrex
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the edge does with a request: the highest page rule that matches, then every cache rule that matches, the last one winning.
import zones from 'rules.js';

function zoneOf(host) {
    return zones.filter((zone) => host === zone.name || host.endsWith('.' + zone.name))[0];
}

function request(r) {
    const uri = r.variables.request_uri;
    const mark = uri.indexOf('?');
    const path = mark < 0 ? uri : uri.slice(0, mark);
    const dot = path.lastIndexOf('.');
    return {
        'http.host': r.variables.host.toLowerCase(),
        'http.request.uri': uri,
        'http.request.uri.path': path,
        'http.request.uri.query': mark < 0 ? '' : uri.slice(mark + 1),
        'http.request.uri.path.extension': dot > path.lastIndexOf('/') ? path.slice(dot + 1).toLowerCase() : '',
        'http.request.full_uri': r.variables.scheme + '://' + r.variables.host + uri,
        'http.request.method': r.method,
        ssl: r.variables.scheme === 'https',
    };
}

function wildcard(pattern, flags) {
    return new RegExp('^' + pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*') + '$', flags);
}

function matches(tree, seen) {
    const kind = tree[0];
    if (kind === 'true') { return true; }
    if (kind === 'ssl') { return seen.ssl; }
    if (kind === 'not') { return !matches(tree[1], seen); }
    if (kind === 'and') { return matches(tree[1], seen) && matches(tree[2], seen); }
    if (kind === 'or') { return matches(tree[1], seen) || matches(tree[2], seen); }
    const value = seen[tree[1]];
    if (kind === 'eq') { return value === tree[2]; }
    if (kind === 'ne') { return value !== tree[2]; }
    if (kind === 'in') { return tree[2].indexOf(value) >= 0; }
    if (kind === 'contains') { return value.indexOf(tree[2]) >= 0; }
    if (kind === 'starts_with') { return value.startsWith(tree[2]); }
    if (kind === 'ends_with') { return value.endsWith(tree[2]); }
    return wildcard(tree[2], kind === 'wildcard' ? 'i' : '').test(value);
}

function pageRule(zone, seen) {
    const url = seen['http.request.full_uri'];
    for (let i = 0; i < zone.page_rules.length; i++) {
        const found = new RegExp(zone.page_rules[i].pattern, 'i').exec(url);
        if (found) { return { rule: zone.page_rules[i], found: found }; }
    }
    return null;
}

// Bot Fight Mode: whoever does not run a browser's JavaScript gets a challenge, from wherever in a cloud he comes. Only an IP Access rule helps, and
// the vendor's list of verified bots. The addresses of a lab are those of a cloud.
function challenged(zone, r) {
    const agent = r.headersIn['User-Agent'] || '';
    return zone.fight && r.variables.let_in !== 'yes' && !/^Mozilla\/5\.0 \((?!compatible)/.test(agent) && !/UptimeRobot\/|Googlebot\//.test(agent);
}

function challenge(r) {
    r.headersOut['cf-mitigated'] = 'challenge';
    r.headersOut['Content-Type'] = 'text/html; charset=UTF-8';
    r.headersOut['Cache-Control'] = 'private, max-age=0, no-store';
    r.headersOut.Server = 'cloudflare';
    r.return(403, '<!DOCTYPE html><title>Just a moment...</title><p>Enable JavaScript and cookies to continue</p>\n');
}

// A name from the set nginx has a location for: challenge, bypass, standard, standard_<seconds>, all, all_<seconds>, https or redirect.
function behaviour(r) {
    const seen = request(r);
    const zone = zoneOf(seen['http.host']);
    if (!zone) { return 'bypass'; }
    if (challenged(zone, r)) { return 'challenge'; }
    const hit = pageRule(zone, seen);
    let mode = zone.cache_level === 'off' ? 'bypass' : 'standard';
    let ttl = 0;
    if (hit) {
        if (hit.rule.redirect) { return 'redirect'; }
        if (hit.rule.https && r.variables.scheme === 'http') { return 'https'; }
        mode = { bypass: 'bypass', cache_everything: 'all' }[hit.rule.cache_level] || mode;
        ttl = hit.rule.edge_ttl || ttl;
    }
    zone.cache_rules.forEach((rule) => {
        if (!matches(rule.tree, seen)) { return; }
        if (rule.cache !== null) { mode = rule.cache ? 'all' : 'bypass'; }
        if (rule.edge_ttl !== null) { ttl = rule.edge_ttl; }
    });
    if (mode === 'standard' && zone.extensions.indexOf(seen['http.request.uri.path.extension']) < 0) { return 'bypass'; }
    return mode === 'bypass' ? mode : ttl ? mode + '_' + ttl : mode;
}

function redirect(r) {
    const hit = pageRule(zoneOf(r.variables.host.toLowerCase()), request(r));
    r.return(hit.rule.redirect.status_code, hit.rule.redirect.url.replace(/\$(\d)/g, (_all, number) => hit.found[Number(number)] || ''));
}

function server(r) {
    r.headersOut.Server = 'cloudflare';
}

export default { behaviour, challenge, redirect, server };
