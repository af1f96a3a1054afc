#!/bin/sh
# Whether a folder has this mode and this owner.
test "$(stat -c '%F 0%a %u' "$1" 2>/dev/null)" = "directory $2 $3"
