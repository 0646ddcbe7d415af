# Runs as a unit of a booted Debian in a container: installs what lies in /packages and looks at what systemd
# makes of them. Every line `MEASURED name seconds` and the last line `DONE` are read by who started it.
set -eu

now() { date +%s.%N; }

since() { echo "MEASURED $1 $(echo "$(now) $2" | awk '{ printf "%.3f", $1 - $2 }')"; }

fail() {
    echo "FAILED $*"
    journalctl --no-pager --quiet -u kerfd.service -u 'kerf-partitioner*' -u 'kerf-process*' -u 'kerf-mps*' | tail -n 40
    exit 1
}

# One scrape by the shell alone: this root has no client.
scrape() {
    bash -c 'exec 3<> /dev/tcp/127.0.0.1/9450 && printf "GET /metrics HTTP/1.0\r\n\r\n" >&3 && cat <&3' 2> /dev/null
}

# until WHAT SECONDS COMMAND...: asks again until the command succeeds.
until_true() {
    what=$1 end=$(($(date +%s) + $2))
    shift 2
    until "$@"; do
        [ "$(date +%s)" -lt "$end" ] || fail "$what: not seen"
        sleep 0.01
    done
}

has() { scrape | grep -q "$1"; }
gpus() { [ "$(scrape | grep -c '^kerf_gpu_temperature_celsius{')" = 8 ]; }
offered() { systemctl list-units --no-legend --plain 'kerf-partitioner@*' | grep -c 'running' || true; }
one_offered() { [ "$(offered)" = 1 ]; }
own_workers() {
    kerfd=$(systemctl show --value --property MainPID kerfd.service)
    grep -ls "^PPid:[[:space:]]*$kerfd\$" /proc/[0-9]*/status | wc -l
}
none_run() { ! grep -qsxE 'kerfd|kerf-partitione|nvidia-cuda-mps' /proc/[0-9]*/comm; }
daemon() { systemctl list-units --no-legend --plain --state=running 'kerf-mps@*' | cut -d ' ' -f 1; }
# The user under which the daemon's server runs.
server_is() {
    for status in $(grep -ls "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status); do
        ! grep -q "^Uid:[[:space:]]*$2[[:space:]]" "$status" || return 0
    done
    return 1
}

begin=$(now)
dpkg --install /packages/*.deb > /dev/null 2>&1 || fail 'dpkg --install'
since install "$begin"
until_true 'the first metric' 30 has '^kerf_build_info{'
since install-to-metric "$begin"

for unit in kerfd.service kerfd.socket kerf-partitioner.socket kerf-mps.socket; do
    systemctl --quiet is-active "$unit" || fail "$unit is not active"
    systemctl --quiet is-enabled "$unit" || fail "$unit is not enabled"
done
until_true 'a worker of the socket' 10 one_offered
[ "$(own_workers)" = 0 ] || fail 'kerfd has started a worker beside the one of the socket'
[ "$(stat -c '%U:%G %a' /run/kerf/kerf.sock)" = 'root:kerf 660' ] || fail 'rights of the API socket'
for socket in partitioner process; do
    [ "$(stat -c '%U:%G %a' "/run/kerf/$socket.sock")" = 'root:root 600' ] || fail "rights of $socket.sock"
done
kerf status > /dev/null || fail 'kerf status'

# A simulated machine behind the same sandboxes: only the machine is another.
mkdir -p /etc/systemd/system/kerfd.service.d '/etc/systemd/system/kerf-partitioner@.service.d' \
    '/etc/systemd/system/kerf-process@.service.d' '/etc/systemd/system/kerf-mps@.service.d'
cat > /etc/systemd/system/kerfd.service.d/sim.conf << 'EOF'
[Service]
ExecStart=
ExecStart=/usr/bin/kerfd --simulate h100x8
EOF
cat > '/etc/systemd/system/kerf-partitioner@.service.d/sim.conf' << 'EOF'
[Service]
ExecStart=
ExecStart=/usr/lib/kerf/kerf-partitioner worker --nvml /var/lib/kerf/sim/libnvidia-ml.so.1 --sysroot /var/lib/kerf/sim/root
ReadWritePaths=/var/lib/kerf/sim
EOF
cat > '/etc/systemd/system/kerf-process@.service.d/sim.conf' << 'EOF'
[Service]
ExecStart=
ExecStart=/usr/lib/kerf/kerf-partitioner process-worker --sysroot /var/lib/kerf/sim/root --runtime /usr/bin/kerf-runtime
EOF
cat > '/etc/systemd/system/kerf-mps@.service.d/sim.conf' << 'EOF'
[Service]
ExecStart=
ExecStart=/usr/lib/kerf/kerf-partitioner mps-daemon --sysroot /var/lib/kerf/sim/root --run /run/kerf/mps --log /var/lib/kerf/mps
EOF
systemctl daemon-reload
systemctl restart kerfd.service || fail 'a restart'
until_true 'metrics of every GPU' 30 gpus
kerf apply --gpu 0 --slices 1g.10gb:2,3g.40gb:1 > /dev/null || fail 'kerf apply'
[ "$(kerf slices | grep -c 'MIG-')" = 3 ] || fail 'three slices'
until_true 'a worker of the socket' 10 one_offered
[ "$(own_workers)" = 0 ] || fail 'kerfd has started a worker beside the one of the socket'

# Whoever has the driver open is seen, of whatever user.
setpriv --reuid 65534 --regid 65534 --clear-groups sleep 600 < /var/lib/kerf/sim/root/dev/nvidia0 &
holder=$!
until_true 'who has the driver open' 10 grep -qx sleep "/proc/$holder/comm"
kerf maintenance enter > /root/maintenance || [ $? = 3 ] || fail 'kerf maintenance enter'
grep -q "sleep (process $holder) holds" /root/maintenance || fail "who has the driver open: $(cat /root/maintenance)"
[ "$(own_workers)" = 0 ] || fail 'kerfd has started a worker for processes beside the one of the socket'
kill "$holder"
kerf maintenance leave > /dev/null || fail 'kerf maintenance leave'
[ "$(kerf slices | grep -c 'MIG-')" = 3 ] || fail 'three slices after maintenance'

# An MPS daemon is a unit of its own, with rights for servers of any user, and outlives kerfd.
cat > /root/share.yaml << 'EOF'
schema: kerf.v1.Layout
rules:
  - {gpus: [1], mig: false, sharing: {mps: {clients: 2}}}
EOF
kerf apply -f /root/share.yaml > /dev/null || fail 'kerf apply of a share'
mps=$(daemon)
[ -n "$mps" ] || fail 'a unit of the MPS daemon'
mps_pid=$(systemctl show --value --property MainPID "$mps")
pipe=$(tr '\0' '\n' < "/proc/$mps_pid/environ" | sed -n 's/^CUDA_MPS_PIPE_DIRECTORY=//p')
echo 'start_server -uid 65534' \
    | CUDA_MPS_PIPE_DIRECTORY=$pipe /var/lib/kerf/sim/root/usr/bin/nvidia-cuda-mps-control > /dev/null || fail 'start_server'
until_true 'a server of another user' 10 server_is "$mps_pid" 65534

# Nothing of a kerfd that is killed stays in the way of the next.
systemctl kill --signal=KILL kerfd.service
until_true 'kerfd again' 30 gpus
[ "$(kerf slices | grep -c 'MIG-')" = 3 ] || fail 'three slices after a kill'
systemctl reload kerfd.service || fail 'a reload'
[ "$(daemon)" = "$mps" ] || fail 'the same MPS daemon after a kill'
kerf assert -f /root/share.yaml > /dev/null || fail 'kerf assert of a share'

! journalctl --quiet -u kerfd.service -u 'kerf-partitioner*' -u 'kerf-process*' -u 'kerf-mps*' | grep -q ' ERROR ' || fail 'an error in the log'

dpkg --purge kerf kerf-sim > /dev/null 2>&1 || fail 'dpkg --purge'
until_true 'the end of every process' 10 none_run
for path in /etc/kerf /var/lib/kerf /run/kerf /usr/lib/kerf; do
    [ ! -e "$path" ] || fail "$path stays"
done
echo DONE
