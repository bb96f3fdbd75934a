# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced after env.sh: daemons with pid files below a folder, TCP ports, JSON-RPC.
#
# DIR/run/NAME.pid   "PID STARTTIME": the start time tells a process from a later one that got the same number
# DIR/run/NAME.cmd   the command, one argument a line, to start it again
# DIR/logs/NAME.log  its output

# The kernel's start time of a process; nothing when it does not run.
process_start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  # The second field is the name in brackets and may hold anything: count from behind it.
  stat=${stat##*) }
  # A zombie has ended.
  [ "${stat:0:1}" != Z ] || return 0
  local fields
  read -ra fields <<<"$stat"
  printf '%s' "${fields[19]}"
}

# The pid of DIR's process NAME; fails when it does not run.
running_pid() {
  local dir=$1 name=$2 pid start
  read -r pid start 2>/dev/null <"$dir/run/$name.pid" || return 1
  [ -n "$start" ] && [ "$(process_start_time "$pid")" = "$start" ] || return 1
  printf '%s' "$pid"
}

# Names of everything that DIR has a pid file for.
known_processes() {
  local file
  for file in "$1"/run/*.pid; do
    [ -e "$file" ] || continue
    file=${file##*/}
    printf '%s\n' "${file%.pid}"
  done
}

# start_process DIR NAME COMMAND...: in the background, in a session of its own (a ^C in the terminal is for the script
# that started it, which then stops its processes in order), output to the log.
start_process() {
  local dir=$1 name=$2
  shift 2
  mkdir -p "$dir/run" "$dir/logs"
  printf '%s\n' "$@" >"$dir/run/$name.cmd"
  printf -- '--- %s\n' "$*" >>"$dir/logs/$name.log"
  setsid "$@" </dev/null >>"$dir/logs/$name.log" 2>&1 9>&- &
  local pid=$!
  printf '%s %s\n' "$pid" "$(process_start_time "$pid")" >"$dir/run/$name.pid"
}

# Starts NAME again with the command of its last start.
restart_process() {
  local dir=$1 name=$2 command
  [ -f "$dir/run/$name.cmd" ] || die "$dir knows no process $name"
  mapfile -t command <"$dir/run/$name.cmd"
  start_process "$dir" "$name" "${command[@]}"
}

# stop_processes DIR NAME...: SIGTERM to all, SIGKILL to what is left after GRACE_SECONDS.
stop_processes() {
  local dir=$1 name pid deadline left
  shift
  for name in "$@"; do
    if pid=$(running_pid "$dir" "$name"); then kill -TERM "$pid" 2>/dev/null || true; fi
  done
  deadline=$((SECONDS + ${GRACE_SECONDS:-20}))
  while :; do
    left=()
    for name in "$@"; do
      if running_pid "$dir" "$name" >/dev/null; then left+=("$name"); else rm -f "$dir/run/$name.pid"; fi
    done
    [ "${#left[@]}" -gt 0 ] || return 0
    [ "$SECONDS" -lt "$deadline" ] || break
    sleep 0.2
  done
  for name in "${left[@]}"; do
    say "$name did not stop within ${GRACE_SECONDS:-20} s: killing it"
    if pid=$(running_pid "$dir" "$name"); then kill -KILL "$pid" 2>/dev/null || true; fi
    rm -f "$dir/run/$name.pid"
  done
}

# The last lines of a process's log.
show_tail() {
  say "--- last lines of $1/logs/$2.log"
  tail -n "${3:-20}" "$1/logs/$2.log" >&2 || true
}

port_in_use() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port: prints a TCP port of 127.0.0.1 that nobody listens on at the moment.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 20000))
    port_in_use "$port" || break
  done
  printf '%s\n' "$port"
}

# udp_port_in_use PORT: on any address. mDNS responders, for one, have 5353 on all of them.
udp_port_in_use() { ss -Huln "sport = :$1" | grep -q .; }

# require_free_ports PORT...
require_free_ports() {
  local port taken=()
  for port in "$@"; do
    if port_in_use "$port"; then taken+=("$port"); fi
  done
  [ "${#taken[@]}" -eq 0 ] || die "these ports of 127.0.0.1 are in use: ${taken[*]} (another network or node? choose others with --port-offset)"
}

# rpc PORT METHOD [PARAMS]: the result as JSON; fails when there is none within 5 s.
rpc() {
  curl -sf -m 5 -H 'content-type: application/json' \
    -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$2\",\"params\":${3:-[]}}" "http://127.0.0.1:$1" | jq -ce .result
}

# The height in a header.
header_number() {
  local hex
  hex=$(jq -re .number) || return 1
  printf '%d' "$hex"
}

best_number() { rpc "$1" chain_getHeader | header_number; }

finalized_number() {
  local hash
  hash=$(rpc "$1" chain_getFinalizedHead) || return 1
  rpc "$1" chain_getHeader "[$hash]" | header_number
}
