# Runs in a booted systemd with kerf's units, of which only programs and machine are others than on a host.
set -eu

sim=/var/lib/kerf/sim/root
kerf() { /programs/kerf "$@"; }

fail() {
    echo "FAILED $*"
    journalctl --no-pager --quiet -u kerfd.service -u 'kerf-*' | tail -n 40
    exit 1
}

until_true() {
    what=$1 tries=0
    shift
    until "$@" > /dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || fail "$what: not seen"
        sleep 0.1
    done
}

# unit ARGUMENTS: has the unit start another program of this build.
unit() {
    mkdir -p "/etc/systemd/system/$1.d"
    printf '[Service]\nExecStart=\nExecStart=%s\n%s\n' "$2" "$3" > "/etc/systemd/system/$1.d/here.conf"
}

echo 'kerf:x:900:' >> /etc/group
cp /work/units/* /etc/systemd/system/
: > /work/kerf.toml
daemon="--simulate h100x1 --config /work/kerf.toml --runtime /work/kerf-runtime --containerd /run/none.sock \
--metrics 127.0.0.1:0 --web 127.0.0.1:0"
unit kerfd.service "/programs/kerfd $daemon" ''
unit kerf-partitioner@.service \
    "/programs/kerf-partitioner worker --nvml /var/lib/kerf/sim/libnvidia-ml.so.1 --sysroot $sim" 'ReadWritePaths=/var/lib/kerf/sim'
unit kerf-process@.service "/programs/kerf-partitioner process-worker --sysroot $sim --runtime /work/kerf-runtime" ''
systemctl daemon-reload
systemctl start kerfd.service || fail 'a start'
until_true 'kerfd' kerf status

capabilities=$(systemctl show --value --property CapabilityBoundingSet kerfd.service)
[ "$capabilities" = 'cap_kill cap_sys_admin' ] || fail "rights of kerfd: $capabilities"

# Who has the driver open is seen, of whatever user.
setpriv --reuid 65534 --regid 65534 --clear-groups sleep 600 < "$sim/dev/nvidia0" &
holder=$!
until_true 'a holder' grep -qx sleep "/proc/$holder/comm"
kerf maintenance enter > /work/maintenance || [ $? = 3 ] || fail 'kerf maintenance enter'
grep -q "sleep (process $holder) holds" /work/maintenance || fail "who has the driver open: $(cat /work/maintenance)"
kill "$holder"
kerf maintenance leave > /dev/null || fail 'kerf maintenance leave'
echo 'a holder of another user was seen'

# The rest needs a machine with nodes that are devices, which nobody may make in a unit on a host without the driver.
# The socket too: whoever looks whether somebody is there would start it again.
systemctl stop kerfd.socket kerfd.service
rm -rf /var/lib/kerf/*
systemd-run --quiet --unit=maker --property=StateDirectory=kerf --property=StateDirectoryMode=0700 /programs/kerfd $daemon
until_true 'a machine' kerf status
systemctl stop maker.service
systemctl start kerfd.service || fail 'a second start'
until_true 'kerfd again' kerf status

# A bare process gets a cgroup, which kerfd itself may not make, and loses it again.
kerf lease exec --ask gpu -- sh -c 'cat /proc/self/cgroup' > /work/cgroup || fail 'kerf lease exec'
group=$(sed -n 's,^0::,,p' /work/cgroup)
case $group in */kerf-lease-*) ;; *) fail "no cgroup of its own: $group" ;; esac
gone() { [ ! -e "/sys/fs/cgroup$group" ]; }
until_true 'the end of its cgroup' gone
kerfd=$(systemctl show --value --property MainPID kerfd.service)
! nsenter --target "$kerfd" --mount mkdir /sys/fs/cgroup/kerf-try 2> /dev/null || fail 'kerfd may write to cgroups'
echo 'a bare process had a cgroup of its own'

# A container with a lease by its name alone is found by what it carries.
kerf apply --gpu 0 --slices 1g.10gb:2 > /dev/null || fail 'kerf apply'
lease=$(kerf lease create 1g.10gb --ttl 1h | grep -o '[0-9a-f]\{8\}-[0-9a-f-]\{27\}' | head -n 1)
[ -n "$lease" ] || fail 'a lease'
KERF_LEASE=$lease unshare --mount sh -c "mkdir /tmp/nodes && cp -a $sim/dev/. /tmp/nodes/ && mount -t tmpfs own /dev && \
    cp -a /tmp/nodes/. /dev/ && exec sleep 600" < /dev/null > /dev/null 2>&1 &
carrier=$!
until_true 'a carrier' grep -qx sleep "/proc/$carrier/comm"
carried() { kerf lease show "$lease" -o json | grep -q "\"init_pid\": *$carrier\\b"; }
until_true 'the lease of what carries it' carried
echo 'who carries a lease was found'

kerfd=$(systemctl show --value --property MainPID kerfd.service)
workers() { systemctl list-units --no-legend --plain --state=running "$1" | wc -l; }
[ "$(workers 'kerf-process@*')" -ge 1 ] || fail 'no worker of the socket'
own=$(grep -ls "^PPid:[[:space:]]*$kerfd\$" /proc/[0-9]*/status | wc -l)
[ "$own" = 0 ] || fail 'kerfd has started a worker beside those of the sockets'
systemctl stop kerfd.socket kerfd.service
none() { [ "$(workers 'kerf-process@*')" = 0 ]; }
until_true 'the end of the workers' none
! journalctl --quiet -u 'kerf-process@*' 2> /dev/null | grep ' ERROR \| WARN ' || fail 'a complaint in the log'
echo DONE
