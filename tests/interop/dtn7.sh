#!/usr/bin/env bash
# Exchanges bundles with the dtn7 daemon, both ways, over TCPCLv4 and over UDP, and checks that each arrives as it was sent.
#
#   tests/interop/dtn7.sh            with the `dtnd` of the PATH, or of $DTN7_BIN; without one nothing is tested
#   tests/interop/dtn7.sh --install  builds one first, into target/interop
#
# $PACKMULE names the binary to test; otherwise the debug build is made and taken.
set -euo pipefail

# What is asked of a peer has come after this many seconds, or does not come: a neighbor that does not answer our Hello counts as one
# of another make after ten.
readonly PATIENCE_S=60
readonly VERSION=0.21.0

root=$(cd "$(dirname "$0")/../.." && pwd)
export PATH="${DTN7_BIN:-$root/target/interop/bin}:$PATH"
work=$(mktemp -d)
running=()

finish() {
    for process in "${running[@]}"; do
        kill "$process" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT

find_programs() {
    if [[ "${1:-}" == --install ]]; then
        cargo install dtn7 --version "$VERSION" --locked --root "$root/target/interop"
    fi
    if ! command -v dtnd >/dev/null; then
        echo "not tested: dtnd is not installed; '$0 --install' builds it from the registry, which takes minutes"
        exit 0
    fi
    if [[ -z "${PACKMULE:-}" ]]; then
        cargo build --quiet --manifest-path "$root/Cargo.toml" -p packmule
        PACKMULE=$root/target/debug/packmule
    fi
}

failed() {
    echo "FAILED: $1"
    tail -n 20 "$work/packmule.log" "$work/dtnd.log"
    exit 1
}

# Until a command succeeds, asked twice a second.
await() {
    local what=$1
    shift
    for _ in $(seq $((2 * PATIENCE_S))); do
        "$@" && return
        sleep 0.5
    done
    failed "$what"
}

packmule() { "$PACKMULE" --home "$work/packmule" "$@"; }

start_packmule() {
    packmule init --name packmule >/dev/null
    # dtn7 does not sign, and does not ask what a neighbor wants.
    sed -i 's/^# unsigned = .*/unsigned = "deliver"/' "$work/packmule/config.toml"
    printf '[[foreign]]\nnode = "dtn://dtn7/"\ngroups = ["dtn://group/~news"]\n' >>"$work/packmule/config.toml"
    packmule subscribe dtn://group/~news >/dev/null
    packmule run --no-discovery --listen tcp://127.0.0.1:0 --listen udp://127.0.0.1:0 \
        >"$work/listening" 2>"$work/packmule.log" &
    running+=($!)
    await "packmule does not listen" grep -q udp "$work/listening"
    packmule_tcp=$(sed -n 's|.*tcp://127.0.0.1:||p' "$work/listening")
    packmule_udp=$(sed -n 's|.*udp://127.0.0.1:||p' "$work/listening")
}

free_port() {
    local port
    while port=$((20000 + RANDOM % 20000)) && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}

# Its discovery is left on; besides to where nodes of its make listen, its beacons go where ours has its bundles.
start_dtn7() {
    dtn7_tcp=$(free_port) dtn7_udp=$(free_port) dtn7_web=$(free_port)
    mkdir "$work/dtn7"
    dtnd --nodeid dtn7 --workdir "$work/dtn7" --db mem --web-port "$dtn7_web" --janitor 2s --peer-timeout 10m \
        --interval 1s -E 224.0.0.26:3003 -E "127.0.0.1:$packmule_udp" \
        --endpoint inbox --endpoint dtn://group/~news \
        --cla "tcp:port=$dtn7_tcp:bind=127.0.0.1" --cla "udp:port=$dtn7_udp:bind=127.0.0.1" \
        --debug "$@" >"$work/dtnd.log" 2>&1 &
    running+=($!)
    await "dtnd does not answer" dtnquery_answers
}

dtnquery_answers() { dtnquery --port "$dtn7_web" nodeid >/dev/null 2>&1; }

stop_both() {
    for process in "${running[@]}"; do
        kill "$process"
        wait "$process" || true
    done
    running=()
    packmule store check >/dev/null || failed "packmule's store is damaged"
    rm -rf "$work"/*
}

from_dtn7() {
    local endpoint=$1 octets=$2
    head -c "$octets" /dev/urandom >"$work/sent"
    dtnsend --port "$dtn7_web" --sender dtn://dtn7/inbox --receiver "$endpoint" "$work/sent" >/dev/null
    packmule recv "$endpoint" --timeout "${PATIENCE_S}s" >"$work/received" || failed "nothing came to $endpoint"
    cmp -s "$work/sent" "$work/received" || failed "something else came to $endpoint"
    echo "  dtn7 to packmule: $octets octets to $endpoint"
}

to_dtn7() {
    local endpoint=$1 octets=$2
    head -c "$octets" /dev/urandom >"$work/sent"
    packmule send "$endpoint" "$work/sent" >/dev/null
    await "nothing came to $endpoint" dtn7_has "$endpoint"
    echo "  packmule to dtn7: $octets octets to $endpoint"
}

# Takes what waits there: among it are status reports that dtn7 asked for, and what it sent itself.
dtn7_has() {
    dtnrecv --port "$dtn7_web" --endpoint "${1#dtn://dtn7/}" --outfile "$work/received" >/dev/null 2>&1 &&
        cmp -s "$work/sent" "$work/received"
}

both_ways() {
    local from_octets=$1 to_octets=$2
    from_dtn7 dtn://packmule/inbox 10
    from_dtn7 dtn://packmule/inbox "$from_octets"
    from_dtn7 dtn://group/~news 100
    to_dtn7 dtn://dtn7/inbox 10
    to_dtn7 dtn://dtn7/inbox "$to_octets"
    to_dtn7 dtn://group/~news 100
    kill -0 "${running[0]}" || failed "packmule's agent has ended"
}

find_programs "$@"
dtnd --version
echo "TCPCLv4, dtn7 connects:"
start_packmule
start_dtn7 --static-peer "tcp://127.0.0.1:$packmule_tcp/packmule"
both_ways 300000 50000
stop_both

echo "TCPCLv4, packmule connects:"
start_packmule
start_dtn7
packmule peer add "tcp://127.0.0.1:$dtn7_tcp" >/dev/null
both_ways 300000 50000
stop_both

# One datagram is one bundle, and ours keep to the least MTU of IPv6 with all that goes before the payload.
echo "UDP:"
start_packmule
start_dtn7 --static-peer "udp://127.0.0.1:$packmule_udp/packmule"
packmule peer add "udp://127.0.0.1:$dtn7_udp?plain=yes&node=dtn://dtn7/" >/dev/null
both_ways 60000 700
stop_both
echo "all bundles arrived as they were sent"
