#!/bin/sh
# A throw-away Postgres cluster for tests: on the loopback interface, in a folder of its own, as an unprivileged user.
#
#     postgres.sh start DIR     makes the cluster in DIR if it is not there, starts it if it does not run, prints its address
#     postgres.sh stop DIR      ends it by its process id, if it runs
#
# It installs nothing: Debian's package `postgresql` must be there. Nothing in it survives a power cut (fsync is off), and nothing should.
set -eu

usage() {
    echo "usage: $0 start DIR | stop DIR" >&2
    exit 2
}

[ $# -eq 2 ] || usage
dir=$2
cluster=$dir/cluster
pidfile=$cluster/postmaster.pid

# The newest version that is installed.
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -n | tail -n 1)
if [ -z "$bin" ]; then
    postgres=$(command -v postgres 2>/dev/null) || {
        echo "$0: Postgres is not installed: apt-get install postgresql" >&2
        exit 1
    }
    bin=$(dirname "$postgres")
fi

# Postgres refuses to run as root.
as_user() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"
    else
        "$@"
    fi
}

is_alive() {
    [ -s "$pidfile" ] || return 1
    pid=$(head -n 1 "$pidfile")
    [ -d "/proc/$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = postgres ]
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null && return
    # Without Python: a port that nobody listens on, from the range above the usual ones.
    port=$((20000 + $$ % 20000))
    while grep -q ":$(printf '%04X' "$port") 00000000:0000 0A" /proc/net/tcp; do port=$((port + 1)); done
    echo "$port"
}

address() {
    echo "postgres://parlor@127.0.0.1:$(sed -n 4p "$pidfile")/postgres"
}

start() {
    mkdir -p "$dir"
    if is_alive; then
        address
        return
    fi
    if [ "$(id -u)" -eq 0 ]; then
        chown nobody:nogroup "$dir"
        # Whoever owns the folders above may have closed them to others.
        as_user test -w "$dir" || {
            echo "$0: the user nobody cannot write to $dir: choose a folder that others can reach, such as one in /tmp" >&2
            exit 1
        }
    fi
    if [ ! -s "$cluster/PG_VERSION" ]; then
        rm -rf "$cluster"
        as_user "$bin/initdb" --pgdata="$cluster" --username=parlor --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log" 2>&1 || {
            cat "$dir/initdb.log" >&2
            exit 1
        }
    fi
    as_user rm -f "$pidfile"
    as_user "$bin/pg_ctl" start --pgdata="$cluster" --wait --timeout=60 --silent --log="$dir/postgres.log" --options="-p $(free_port) \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
        -c max_connections=400 -c shared_buffers=64MB -c max_wal_size=256MB -c autovacuum=off" >&2 || {
        cat "$dir/postgres.log" >&2
        exit 1
    }
    address
}

stop() {
    is_alive || return 0
    pid=$(head -n 1 "$pidfile")
    # SIGINT is Postgres' "fast" shutdown: clients are sent away.
    kill -INT "$pid"
    for _ in $(seq 100); do
        [ -d "/proc/$pid" ] || return 0
        sleep 0.1
    done
    kill -QUIT "$pid" 2>/dev/null || true
}

case $1 in
start) start ;;
stop) stop ;;
*) usage ;;
esac
