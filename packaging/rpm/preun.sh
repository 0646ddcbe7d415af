# $1 is how many versions are left: 0 for a removal, 1 for an upgrade.
if [ "$1" -eq 0 ] && command -v systemctl > /dev/null; then
    systemctl --no-reload disable kerf-partitioner.socket kerf-process.socket kerf-mps.socket kerfd.socket kerfd.service > /dev/null 2>&1 || true
    if [ -d /run/systemd/system ]; then
        systemctl stop kerf-partitioner.socket kerf-process.socket kerf-mps.socket kerfd.socket kerfd.service || true
    fi
fi
exit 0
