#!/bin/sh
# What this server has of Redis's state: `<index> <primary|replica|data|nothing>`.
index=$1 state=$2
live=$state/pool-redis/redis/redis.conf
if test -e "$live"; then
  if grep -q '^replicaof ' "$live"; then echo "$index replica"; else echo "$index primary"; fi
elif test -n "$(find "$state/redis/appendonlydir" -type f -size +0 2>/dev/null | head -n 1)"; then
  echo "$index data"
else
  echo "$index nothing"
fi
