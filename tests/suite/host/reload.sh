# Runs in a booted systemd: a kerfd on a simulated machine, whose devices become this host's, and two containers with a
# slice each in scopes that systemd manages. What they can open is told before and after systemd reads its units anew:
#   LINKS n                 names in /dev/char that kerfd has made
#   NODE container node     a node that the container has
#   OPEN container when node answer
# The second container is made where the names in /dev/char are not there: what kerf makes them for.
set -eu

sim=/var/lib/kerf/sim/root
kerf() { /programs/kerf "$@"; }
runtime() { /work/kerf-runtime --systemd-cgroup --root /run/runc/default "$@"; }

: > /work/kerf.toml
systemd-run --quiet --unit=kerfd /programs/kerfd --simulate h100x1 --config /work/kerf.toml \
    --runtime /work/kerf-runtime --state-dir /var/lib/kerf --run-dir /run/kerf --cdi-dir /run/cdi \
    --containerd /run/none.sock --metrics 127.0.0.1:0 --web 127.0.0.1:0
tries=0
until kerf status > /dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || { echo 'kerfd does not answer'; journalctl --no-pager -u kerfd; exit 1; }
    sleep 0.1
done

# Where the folder is there kerfd gives every node its name in it.
mkdir "$sim/dev/char"
kerf apply --gpu 0 --slices 1g.10gb:2,1g.20gb:1 > /dev/null
cp -a "$sim/dev/." /dev/
nodes=$(cd "$sim/dev" && find . -name 'nvidia*' -type c | sed 's,^\./,,' | sort)

named() {
    for link in /dev/char/*; do
        case $(readlink "$link") in *nvidia*) echo "$link" ;; esac
    done
}

start() {
    runtime run --detach --bundle "/work/$1" --pid-file "/work/$1/pid" "$1" < /dev/null > "/work/$1/log" 2>&1 ||
        { cat "/work/$1/log"; exit 1; }
}

look() {
    for container in named bare; do
        runtime exec "$container" busybox find /dev -name 'nvidia*' -type c | sed "s,^/dev/,NODE $container ,"
        for node in $nodes; do
            echo "mknod /tmp/n c $((0x$(stat -c %t "$sim/dev/$node"))) $((0x$(stat -c %T "$sim/dev/$node")))"
            echo "answer=\$( ( : <> /tmp/n ) 2>&1 ); echo OPEN $container $1 $node \${answer##*: }; busybox rm /tmp/n"
        done > /work/opens
        runtime exec "$container" sh -c "$(cat /work/opens)" < /dev/null
    done
}

echo "LINKS $(named | wc -l)"
start named
named | xargs rm
start bare
look before
systemctl daemon-reload
look after
runtime kill named KILL
runtime kill bare KILL
echo DONE
